/* A column that grows value by value, in the buffers that Arrow's arrays have, and its hand-over as such an array.
 *
 * Layout: https://arrow.apache.org/docs/format/Columnar.html, texts and bytes as views
 * (https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout); the hand-over:
 * https://arrow.apache.org/docs/format/CDataInterface.html
 * Memory: the values, 16 bytes more for each text, and a bit for each row from the first NULL on. An array that was handed
 * over owns its buffers, and `release`, which any thread may call, frees them.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "memory.h"

typedef struct {
    Description is;
    bool kept;     /* its values are wanted, and not only their text */
    bool as_text;  /* dates, of which one is in no calendar */
    Buffer values; /* numbers, or the long ones of texts and bytes one after the other */
    Buffer views;  /* of texts and bytes, Arrow's 16 bytes each: how long, and what or where */
    Buffer validity;
    int64_t nulls;
} Column;

#define VIEW 16
#define IN_VIEW 12 /* bytes of a text that are in its view */
#ifndef MOST_VIEWED /* for tests */
#define MOST_VIEWED ((size_t)INT32_MAX) /* bytes that views can tell apart */
#endif

static bool has_views(const Column *column) { return column->is.held == TEXT || column->is.held == BYTES || column->as_text; }

static bool is_null(const Column *column, int64_t row) { return column->nulls && !(column->validity.data[row / 8] >> row % 8 & 1); }

/* Whether a row has a value: bits up to this row, set where there is one, and none at all before the first NULL. */
static bool note(Column *column, int64_t row, bool there) {
    if (there && !column->nulls) return true;
    size_t size = row / 8 + 1;
    if (column->validity.used < size) {
        size_t missing = size - column->validity.used;
        if (!reserve(&column->validity, missing)) return false;
        memset(column->validity.data + column->validity.used, 0xFF, missing);
        column->validity.used = size;
    }
    if (there) return true;
    column->nulls++;
    column->validity.data[row / 8] &= ~(1 << row % 8);
    return true;
}

static Status add_null(Column *column, int64_t row) {
    static const uint8_t zeros[VIEW];
    if (!column->kept) return MORE;
    if (!note(column, row, false)) return NO_MEMORY;
    bool done = has_views(column) ? append(&column->views, zeros, VIEW) : append(&column->values, zeros, column->is.width);
    return done ? MORE : NO_MEMORY;
}

/* A number of up to 8 bytes; little-endian: the low ones are the shorter number. */
static bool keep_number(Column *column, uint64_t value) {
    if (!column->kept) return true;
    if (!reserve(&column->values, 8)) return false;
    memcpy(column->values.data + column->values.used, &value, 8);
    column->values.used += column->is.width;
    return true;
}

/* A text or bytes, as a view; false if there is no memory, or the view could not point so far. */
static bool keep_text(Column *column, const uint8_t *text, size_t size) {
    if (!column->kept) return true;
    uint32_t view[VIEW / 4] = {size};
    if (size <= IN_VIEW) memcpy(view + 1, text, size);
    else {
        if (size > MOST_VIEWED - column->values.used) return false;
        memcpy(view + 1, text, 4);
        view[3] = column->values.used;
        if (!append(&column->values, text, size)) return false;
    }
    return append(&column->views, view, VIEW);
}

/* A text or bytes in an array of views. */
typedef struct {
    const uint8_t *data;
    uint32_t size;
} Text;

static inline Text text_at(const struct ArrowArray *array, int64_t row) {
    const uint8_t *view = (const uint8_t *)array->buffers[1] + VIEW * (array->offset + row);
    Text text = {.data = view + 4};
    memcpy(&text.size, view, 4);
    if (text.size > IN_VIEW) {
        uint32_t buffer, offset;
        memcpy(&buffer, view + 8, 4);
        memcpy(&offset, view + 12, 4);
        text.data = (const uint8_t *)array->buffers[2 + buffer] + offset;
    }
    return text;
}

/* ---------------------------------------------------------------- the hand-over */

#define KEPT 3

/* What an array that was handed over owns. */
typedef struct {
    const void *buffers[KEPT + 1];
    Buffer kept[KEPT];
    int64_t viewed; /* bytes that views point into */
} Owned;

static void release(struct ArrowArray *array) {
    Owned *held = array->private_data;
    for (int i = 0; i < KEPT; i++) drop(&held->kept[i]);
    free(held);
    array->release = NULL;
}

/* Memory for as much as there was the last time, and some more, so that it need not be copied while it grows. */
static bool begin_again(Buffer *buffer, size_t used) {
    *buffer = (Buffer){0};
    return reserve(buffer, used + used / 8);
}

/* Hand the column over, and begin a new one. */
static Status take_column(Column *column, int64_t rows, struct ArrowArray *into, int32_t *as_text) {
    Owned *held = calloc(1, sizeof *held);
    if (!held || !reserve(&column->values, 1) || !reserve(&column->views, 1)) return free(held), NO_MEMORY;
    bool views = has_views(column);
    size_t in_values = column->values.used, in_views = column->views.used;
    held->kept[0] = column->validity;
    held->kept[1] = views ? column->views : column->values;
    held->kept[2] = views ? column->values : column->views;
    for (int i = 0; i < KEPT; i++) held->buffers[i] = held->kept[i].data;
    held->viewed = in_values;
    held->buffers[KEPT] = &held->viewed;
    *as_text = column->as_text;
    *into = (struct ArrowArray){
        .length = rows,
        .null_count = column->nulls,
        .n_buffers = views ? KEPT + 1 : 2,
        .buffers = held->buffers,
        .release = release,
        .private_data = held,
    };
    column->validity = (Buffer){0};
    column->nulls = 0;
    column->as_text = false;
    return begin_again(&column->values, in_values) && begin_again(&column->views, in_views) ? MORE : NO_MEMORY;
}

#endif
