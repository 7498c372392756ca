/* Columns as text that LOAD DATA reads, or as CSV; the other way round than everything else in here.
 *
 * https://dev.mysql.com/doc/refman/8.4/en/load-data.html#load-data-field-line-handling
 * Memory: the text, whose buffer doubles as it grows. Threads: none is shared; the arrays are only read.
 */
#ifndef LOAD_DATA_H
#define LOAD_DATA_H

#include "columns.h"
#include "dates.h"
#include "numbers.h"
#include "text.h"

#define MOST_OF_NUMBER 48 /* and a separator */

static uint8_t *integer_text(uint8_t *to, const uint8_t *at, int width, bool is_signed) {
    uint64_t value = number_at(at, width);
    if (is_signed && value >> (8 * width - 1)) {
        *to++ = '-';
        value = -(width == 8 ? value : value | ~(uint64_t)0 << 8 * width);
    }
    return decimal(to, value);
}

static uint8_t *decimal_text(uint8_t *to, const uint8_t *at, int scale) {
    __int128 value;
    memcpy(&value, at, sizeof value);
    if (value < 0) *to++ = '-';
    u128 left = value < 0 ? -(u128)value : (u128)value;
    uint8_t digits[40];
    int count = 0;
    for (; left >> 64; left /= 10) digits[count++] = '0' + left % 10;
    for (uint64_t rest = left; rest || count <= scale; rest /= 10) digits[count++] = '0' + rest % 10;
    while (count) {
        if (count == scale) *to++ = '.';
        *to++ = digits[--count];
    }
    return to;
}

/* A text or bytes; false if there is no memory. A column of kind FLOAT holds numbers as text. */
static bool add_field(Buffer *text, const struct ArrowArray *array, int64_t row, Held held, bool csv) {
    Text field = text_at(array, row);
    if (!reserve(text, 2 * (size_t)field.size + 3)) return false;
    uint8_t *to = text->data + text->used;
    if (held == BYTES && csv) {
        *to++ = '"';
        to = hexadecimal(to, field.data, field.size);
        *to++ = '"';
    } else if (held == FLOAT) {
        memcpy(to, field.data, field.size);
        to += field.size;
    } else to = quoted_text(to, field.data, field.size);
    text->used = to - text->data;
    return true;
}

/* A value that is not NULL; false if there is no memory. There is room for a number. */
static inline bool add_text_of(Buffer *text, const struct ArrowArray *array, int64_t row, const Description *is, bool csv) {
    int64_t at = array->offset + row;
    const uint8_t *values = array->buffers[1];
    uint8_t *to = text->data + text->used;
    Moment moment;
    switch ((Held)is->held) {
    case SIGNED: to = integer_text(to, values + at * is->width, is->width, true); break;
    case UNSIGNED: to = integer_text(to, values + at * is->width, is->width, false); break;
    case DECIMAL: to = decimal_text(to, values + at * is->width, is->scale); break;
    case DATE: moment = day_of(((const int32_t *)values)[at]), to = day_text(to, &moment); break;
    case DATETIME: moment = moment_of(((const int64_t *)values)[at]), to = moment_text(to, &moment, is->scale); break;
    case FLOAT:
    case TEXT:
    case BYTES: return add_field(text, array, row, (Held)is->held, csv);
    }
    text->used = to - text->data;
    return true;
}

static bool is_null_at(const struct ArrowArray *array, int64_t row) {
    const uint8_t *valid = array->buffers[0];
    int64_t at = array->offset + row;
    return valid && !(valid[at / 8] >> at % 8 & 1);
}

/* A row; false if there is no memory. */
static inline bool add_line(Buffer *text, const struct ArrowArray *const *columns, int64_t row, const Description *are,
                            int32_t width, bool csv) {
    for (int32_t i = 0; i < width; i++) {
        if (!reserve(text, MOST_OF_NUMBER)) return false;
        if (is_null_at(columns[i], row)) {
            if (!csv) memcpy(text->data + text->used, "NULL", 4), text->used += 4;
        } else if (!add_text_of(text, columns[i], row, &are[i], csv)) return false;
        if (!reserve(text, 1)) return false;
        text->data[text->used++] = i + 1 < width ? ',' : '\n';
    }
    return true;
}

#endif
