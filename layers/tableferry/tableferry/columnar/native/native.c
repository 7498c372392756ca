/* A prepared statement's rows as Arrow columns, and their digest, without an object per value; and rows as text.
 *
 * Python loads this by ctypes (`library.py`), and has the same in plain Python for machines where nobody compiled it; tests
 * hold the two together. There is no Python in here, so that one library does for every version of it, and every call runs
 * beside other threads. What is exported is in this file, and what it is made of in the headers, one for each job: from the
 * connection inwards `packets`, `values`, `columns`; `row_digest` and `blake2b`; `load_data` for the way back.
 *
 * All of it is one compilation unit, for which the compiler sees everything at once. Threads: what is handed in is one
 * thread's at a time; nothing else is shared. A length or a pointer that Python hands in is not checked.
 */
#include "blake2b.h"
#include "columns.h"
#include "interface.h"
#include "load_data.h"
#include "memory.h"
#include "packets.h"
#include "row_digest.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT uint32_t tableferry_native_version(void) { return VERSION; }

/* ---------------------------------------------------------------- packets into columns, lines and digests */

EXPORT void tableferry_close(Splitter *splitter) {
    for (int32_t i = 0; i < splitter->width; i++) {
        drop(&splitter->columns[i].values);
        drop(&splitter->columns[i].views);
        drop(&splitter->columns[i].validity);
    }
    drop(&splitter->first_line);
    drop(&splitter->lines);
    drop(&splitter->row);
    drop(&splitter->rows_digest.text);
    free(splitter);
}

/* A splitter, to be closed; NULL if there is no memory. It is FULL at so many bytes of packets or rows. `first_line` is what
 * each text of lines begins with; rows are hashed with a key of at most 64 bytes, or with none. */
EXPORT Splitter *tableferry_open(const Description *columns, int32_t width, int64_t most_size, int64_t most_rows,
                                 uint32_t sequence, int32_t into, const uint8_t *first_line, size_t first_size,
                                 const uint8_t *key, size_t key_size) {
    if (key_size > MOST_OF_KEY) return NULL;
    Splitter *splitter = calloc(1, sizeof *splitter + width * sizeof splitter->columns[0]);
    if (!splitter) return NULL;
    splitter->most_size = most_size < MOST_TOGETHER ? most_size : MOST_TOGETHER;
    splitter->most_rows = most_rows;
    splitter->head.sequence = sequence;
    splitter->width = width;
    splitter->into = (Into)into;
    splitter->rows_digest.from = start_of(key, key_size);
    for (int32_t i = 0; i < width; i++) splitter->columns[i].is = columns[i], splitter->columns[i].kept = into == FRAME;
    if (append(&splitter->first_line, first_line, first_size) && append(&splitter->lines, first_line, first_size)) return splitter;
    tableferry_close(splitter);
    return NULL;
}

/* Take bytes as long as the status is MORE; return how many were taken. */
EXPORT size_t tableferry_feed(Splitter *splitter, const uint8_t *data, size_t size) {
    size_t at = 0;
    while (splitter->head.status == MORE && at < size)
        at += is_whole(splitter, data + at, size - at) ? add_whole(splitter, data + at) : add_part(splitter, data + at, size - at);
    return at;
}

static void take_digest(Splitter *splitter) {
    if (splitter->rows_digest.waiting) hash_waiting(&splitter->rows_digest);
    splitter->head.digest[0] = splitter->rows_digest.sum;
    splitter->head.digest[1] = splitter->rows_digest.sum >> 64;
    splitter->rows_digest.sum = 0;
    splitter->head.rows = splitter->head.size = 0;
    if (splitter->head.status == FULL) splitter->head.status = MORE;
}

/* The columns, one array for each, and the digest, which is in the head; MORE, or NO_MEMORY. */
EXPORT int32_t tableferry_take(Splitter *splitter, struct ArrowArray *into, int32_t *as_text) {
    for (int32_t i = 0; i < splitter->width; i++) {
        Status done = take_column(&splitter->columns[i], splitter->head.rows, &into[i], &as_text[i]);
        if (done != MORE) return splitter->head.status = done;
    }
    take_digest(splitter);
    return MORE;
}

/* The digest, and the lines, to be freed with `tableferry_free`; without data if none are made. */
EXPORT void tableferry_take_lines(Splitter *splitter, Buffer *made) {
    take_digest(splitter);
    *made = (Buffer){0};
    if (splitter->into != LINES) return;
    size_t size = splitter->lines.used;
    *made = splitter->lines;
    if (!begin_again(&splitter->lines, size) || !append(&splitter->lines, splitter->first_line.data, splitter->first_line.used))
        splitter->head.status = NO_MEMORY;
}

/* ---------------------------------------------------------------- columns into a digest and into text */

/* The sum of the hashes of an array's rows, which are binary views without NULLs; 0 if there is no memory. With a key, none
 * of them is empty. */
EXPORT int32_t tableferry_hash(const struct ArrowArray *rows, const uint8_t *key, size_t key_size, uint64_t *digest) {
    if (key_size > MOST_OF_KEY) return 0;
    Digester digester = {.from = start_of(key, key_size)};
    for (int64_t i = 0; i < rows->length; i++) {
        Text row = text_at(rows, i);
        uint8_t *to = begin_row(&digester, row.size);
        if (!to) return drop(&digester.text), 0;
        memcpy(to, row.data, row.size);
        end_row(&digester, to + row.size);
    }
    if (digester.waiting) hash_waiting(&digester);
    drop(&digester.text);
    digest[0] = digester.sum;
    digest[1] = digester.sum >> 64;
    return 1;
}

/* Rows as text: `,` between fields, `"` around text and bytes, and NULL as the word; or, behind a first line, as CSV: NULL
 * as nothing, and bytes as hexadecimal digits. To be freed with `tableferry_free`; without data if there is no memory.
 * Floats come as text, in a column of kind FLOAT. */
EXPORT void tableferry_encode(const struct ArrowArray *const *columns, const Description *are, int32_t width,
                              const uint8_t *first_line, size_t first_size, Buffer *made) {
    Buffer text = {0};
    *made = text;
    if (!append(&text, first_line, first_size)) return;
    for (int64_t row = 0; row < columns[0]->length; row++)
        if (!add_line(&text, columns, row, are, width, first_size > 0)) return drop(&text);
    *made = text;
}

EXPORT void tableferry_free(Buffer *made) { drop(made); }
