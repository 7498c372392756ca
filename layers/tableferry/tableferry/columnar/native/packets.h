/* A result set's packets, cut into rows; each row into columns or lines of CSV, and into the digest.
 *
 * Packets: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
 * Rows:    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
 * Lengths: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
 *
 * Memory: what waits to be taken, the row that has not come whole, and the text of the rows that wait for their hash.
 * Threads: a splitter is one thread's at a time.
 */
#ifndef PACKETS_H
#define PACKETS_H

#include "columns.h"
#include "row_digest.h"
#include "values.h"

#define HEADER 4
#define MOST_PAYLOAD 0xFFFFFF /* and the next packet goes on with it */
#define LONG_KEPT (4 * 1024 * 1024)
#define MOST_TOGETHER ((int64_t)MOST_VIEWED / 4) /* and no row of a server's is longer than twice that */
#define MOST_OF_VALUE 48 /* bytes of a value's text besides those that came; of a number, a date or a time, all of it */

typedef struct {
    Head head; /* first, for Python */
    int64_t most_size, most_rows;
    int32_t width;
    Into into;
    Buffer first_line, lines; /* of CSV */
    uint8_t header[HEADER];
    size_t in_header, left;
    bool in_packet, goes_on;
    Buffer row; /* one that did not come whole */
    Digester rows_digest;
    Column columns[];
} Splitter;

/* ---------------------------------------------------------------- a row */

/* What is left of a row. */
typedef struct {
    const uint8_t *at, *end;
} Reader;

/* A length before a string; false if it is none, or not all there. NULL has no length, but a bit of its own. */
static inline bool read_length(Reader *row, uint64_t *length) {
    if (row->at == row->end) return false;
    *length = *row->at++;
    if (*length <= 0xFA) return true;
    size_t digits = *length == 0xFC ? 2 : *length == 0xFD ? 3 : *length == 0xFE ? 8 : 0;
    if (!digits || (size_t)(row->end - row->at) < digits) return false;
    *length = 0;
    memcpy(length, row->at, digits);
    row->at += digits;
    return true;
}

/* The next value, which is not NULL; `rows` are before it. */
static inline Status read_value(Column *column, Reader *row, int64_t rows, uint8_t **canonical) {
    if (!note(column, rows, true)) return NO_MEMORY;
    uint64_t length = size_of(column->is.type);
    bool is_number = length != 0;
    if (!is_number && !read_length(row, &length)) return MALFORMED;
    if (length > (size_t)(row->end - row->at)) return MALFORMED;
    const uint8_t *value = row->at;
    row->at += length;
    return is_number ? add_number(column, value, length, canonical) : add_value(column, value, length, rows, canonical);
}

/* A field of CSV from a value's canonical text, and what stands behind it. */
static uint8_t *field_text(uint8_t *to, const uint8_t *text, const uint8_t *end, Held held, uint8_t after) {
    while (text < end && *text++ != ':') {}
    bool quoted = held == TEXT || held == BYTES;
    if (held == TEXT) to = quoted_text(to, text, end - text);
    else {
        if (quoted) *to++ = '"';
        memcpy(to, text, end - text);
        to += end - text;
        if (quoted) *to++ = '"';
    }
    *to++ = after;
    return to;
}

static Status add_row(Splitter *splitter, const uint8_t *payload, size_t size) {
    const uint8_t *nulls = payload + 1; /* behind a zero: a bit for each column, after two that stand for nothing */
    size_t begin = 1 + ((size_t)splitter->width + 9) / 8;
    if (size < begin || payload[0]) return MALFORMED;
    Reader row = {payload + begin, payload + size};
    size_t most = (size_t)splitter->width * MOST_OF_VALUE + 2 * size; /* hexadecimal digits are two for a byte */
    uint8_t *canonical = begin_row(&splitter->rows_digest, most);
    if (!canonical) return NO_MEMORY;
    bool lines = splitter->into == LINES;
    if (lines && !reserve(&splitter->lines, most)) return NO_MEMORY;
    uint8_t *line = splitter->lines.data + splitter->lines.used;
    for (int32_t i = 0; i < splitter->width; i++) {
        Column *column = &splitter->columns[i];
        uint8_t *text = canonical, after = i + 1 < splitter->width ? ',' : '\n';
        splitter->head.column = i;
        if (nulls[(i + 2) / 8] >> (i + 2) % 8 & 1) {
            if (add_null(column, splitter->head.rows) != MORE) return NO_MEMORY;
            *canonical++ = '-';
            if (lines) *line++ = after;
            continue;
        }
        Status done = read_value(column, &row, splitter->head.rows, &canonical);
        if (done != MORE) return done;
        if (lines) line = field_text(line, text, canonical, (Held)column->is.held, after);
    }
    if (row.at != row.end) return MALFORMED;
    if (lines) splitter->lines.used = line - splitter->lines.data;
    end_row(&splitter->rows_digest, canonical);
    splitter->head.rows++;
    splitter->head.size += size;
    return splitter->head.size >= splitter->most_size || splitter->head.rows >= splitter->most_rows ? FULL : MORE;
}

/* ---------------------------------------------------------------- packets */

static Status add_payload(Splitter *splitter, const uint8_t *payload, size_t size) {
    if (!size) return MALFORMED;
    if (payload[0] == 0xFF) {
        splitter->head.message = payload;
        splitter->head.message_size = size < MOST_PAYLOAD ? size : MOST_PAYLOAD; /* Python reads it by an int */
        return REFUSED;
    }
    if (payload[0] == 0xFE && size <= 8) return ENDED;
    return add_row(splitter, payload, size);
}

static size_t payload_size(const uint8_t *header) { return header[0] | header[1] << 8 | (size_t)header[2] << 16; }

/* Take a packet's header; false if it is not the next one. */
static bool begin_packet(Splitter *splitter, const uint8_t *header) {
    if (header[3] != splitter->head.sequence) return false;
    splitter->head.sequence = (splitter->head.sequence + 1) & 0xFF;
    splitter->left = payload_size(header);
    splitter->goes_on = splitter->left == MOST_PAYLOAD;
    return true;
}

/* Whether a packet begins here that is a row by itself and has come whole, as nearly all have. */
static inline bool is_whole(const Splitter *splitter, const uint8_t *data, size_t size) {
    if (splitter->in_packet || splitter->in_header || splitter->row.used || size < HEADER) return false;
    size_t length = payload_size(data);
    return length != MOST_PAYLOAD && size - HEADER >= length;
}

/* Take such a packet; return its bytes, none if it is out of order. */
static inline size_t add_whole(Splitter *splitter, const uint8_t *data) {
    if (!begin_packet(splitter, data)) {
        splitter->head.status = OUT_OF_ORDER;
        return 0;
    }
    splitter->head.status = add_payload(splitter, data + HEADER, splitter->left);
    return HEADER + splitter->left;
}

/* Take what is here of a header and, behind it, of a payload, which is copied together; return how many bytes. */
static size_t add_part(Splitter *splitter, const uint8_t *data, size_t size) {
    size_t at = 0;
    if (!splitter->in_packet) {
        while (splitter->in_header < HEADER && at < size) splitter->header[splitter->in_header++] = data[at++];
        if (splitter->in_header < HEADER) return at;
        splitter->in_header = 0;
        if (!begin_packet(splitter, splitter->header)) {
            splitter->head.status = OUT_OF_ORDER;
            return at;
        }
        splitter->in_packet = true;
    }
    size_t here = size - at < splitter->left ? size - at : splitter->left;
    if (!append(&splitter->row, data + at, here)) {
        splitter->head.status = NO_MEMORY;
        return at;
    }
    splitter->left -= here;
    splitter->in_packet = splitter->left != 0;
    if (splitter->in_packet || splitter->goes_on) return at + here;
    splitter->head.status = add_payload(splitter, splitter->row.data, splitter->row.used);
    splitter->row.used = 0;
    if (splitter->row.room > LONG_KEPT && splitter->head.status != REFUSED) drop(&splitter->row); /* else its message is there */
    return at + here;
}

#endif
