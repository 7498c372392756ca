/* Values as the server sends them: into a column, and as the text that the digest is of. That text goes to `*canonical`,
 * which is moved behind it.
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html#sect_protocol_binary_resultset_row_value
 */
#ifndef VALUES_H
#define VALUES_H

#include "columns.h"
#include "dates.h"
#include "numbers.h"
#include "text.h"
#include "utf8.h"

#define LONGEST_MOMENT 32
#define MOST_PLACES 6
static const uint32_t BEYOND[MOST_PLACES + 1] = {1000000, 100000, 10000, 1000, 100, 10, 1}; /* so many places */

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

/* ---------------------------------------------------------------- numbers and texts */

/* A whole number; its text has no zeros in front. */
static Status add_integer(Column *column, uint64_t magnitude, bool negative, uint8_t **canonical) {
    int bits = 8 * column->is.width;
    negative &= magnitude != 0;
    if (column->is.held == SIGNED) {
        if (magnitude > ((uint64_t)1 << (bits - 1)) - !negative) return NO_VALUE;
    } else if (negative || (bits < 64 && magnitude >> bits)) return NO_VALUE;
    uint64_t value = negative ? -magnitude : magnitude;
    if (!keep_number(column, value)) return NO_MEMORY;
    int count = digits_of(magnitude);
    uint8_t *to = decimal(*canonical, count + negative);
    *to++ = ':';
    if (negative) *to++ = '-';
    *canonical = digits_at(to, magnitude, count);
    return MORE;
}

/* A decimal number, and its text with one digit at least before the point and all of its scale behind. */
static Status add_decimal(Column *column, const uint8_t *text, size_t size, uint8_t **canonical) {
    bool negative = size && *text == '-';
    const uint8_t *at = text + negative, *end = text + size;
    int scale = column->is.scale;
    while (end - at > (scale ? scale + 2 : 1) && *at == '0') at++;
    const uint8_t *digits = at;
    const uint8_t *point = scale ? end - scale - 1 : end;
    if (at == end || (scale && (end - at <= scale || *point != '.'))) return NO_VALUE;
    if ((point - at) + scale > column->is.precision + (point - at == 1 && *at == '0')) return NO_VALUE;
    u128 value = 0;
    for (; at < end; at++) {
        if (at == point) continue;
        if (!is_digit(*at)) return NO_VALUE;
        value = value * 10 + (*at - '0');
    }
    negative &= value != 0;
    bool bare = point == digits; /* `.5` */
    __int128 whole = negative ? -(__int128)value : (__int128)value;
    if (column->kept && !append(&column->values, &whole, sizeof whole)) return NO_MEMORY;
    uint8_t *to = decimal(*canonical, end - digits + negative + bare);
    *to++ = ':';
    if (negative) *to++ = '-';
    if (bare) *to++ = '0';
    memcpy(to, digits, end - digits);
    *canonical = to + (end - digits);
    return MORE;
}

static Status add_float(Column *column, double value, uint8_t **canonical) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    if ((bits >> 52 & 0x7FF) == 0x7FF) return NO_VALUE;
    if (!keep_number(column, bits)) return NO_MEMORY;
    int count = digits_of(bits);
    uint8_t *to = decimal(*canonical, count);
    *to++ = ':';
    *canonical = digits_at(to, bits, count);
    return MORE;
}

static Status add_text(Column *column, const uint8_t *text, size_t size, uint8_t **canonical) {
    if (column->is.held != BYTES && !is_utf8(text, size)) return NO_TEXT;
    if (!keep_text(column, text, size)) return NO_MEMORY;
    if (column->is.held != BYTES) {
        *canonical = framed(*canonical, text, size);
        return MORE;
    }
    uint8_t *to = decimal(*canonical, 2 * size);
    *to++ = ':';
    *canonical = hexadecimal(to, text, size);
    return MORE;
}

/* ---------------------------------------------------------------- dates and times */

static uint8_t *date_text(const Column *column, uint8_t *to, const Moment *value) {
    return column->is.held == DATE ? day_text(to, value) : moment_text(to, value, column->is.scale);
}

/* Turn the numbers of a column of dates to text, because one of them is in no calendar. */
static bool to_text(Column *column, int64_t rows) {
    Buffer numbers = column->values;
    column->values = (Buffer){0};
    column->as_text = true;
    bool done = true;
    for (int64_t row = 0; done && row < rows; row++) {
        uint8_t text[LONGEST_MOMENT], *end = text;
        if (!is_null(column, row)) {
            Moment value = column->is.held == DATE ? day_of(((int32_t *)numbers.data)[row]) : moment_of(((int64_t *)numbers.data)[row]);
            end = date_text(column, text, &value);
        }
        done = keep_text(column, text, end - text);
    }
    drop(&numbers);
    return done;
}

/* A date or a moment, of which the server leaves out at the end what is zero; false if it is none. */
static inline bool read_moment(const uint8_t *at, size_t size, Moment *moment) {
    Moment value = {0};
    if (size != 0 && size != 4 && size != 7 && size != 11) return false;
    if (size) value.year = at[0] | at[1] << 8, value.month = at[2], value.day = at[3];
    if (size > 4) value.hour = at[4], value.minute = at[5], value.second = at[6];
    if (size > 7) {
        uint32_t fraction;
        memcpy(&fraction, at + 7, 4);
        if (fraction > 999999) return false;
        value.fraction = fraction;
    }
    *moment = value;
    return value.year <= 9999 && value.month <= 12 && value.day <= 31 && value.hour <= 23 && value.minute <= 59 && value.second <= 59;
}

/* A date or a moment; `rows` are before it. One that is in no calendar makes a text of the whole column. */
static Status add_date(Column *column, const uint8_t *at, size_t size, int64_t rows, uint8_t **canonical) {
    Moment value;
    if (!read_moment(at, size, &value)) return NO_VALUE;
    if (column->is.held == DATE ? size > 4 : value.fraction % BEYOND[column->is.scale] != 0) return NO_VALUE;
    uint8_t *text = *canonical + 3; /* its length has two digits */
    size_t length = date_text(column, text, &value) - text;
    two_digits(*canonical, length, ':');
    *canonical = text + length;
    if (!column->kept) return MORE;
    if (!column->as_text && !in_calendar(&value) && !to_text(column, rows)) return NO_MEMORY;
    if (column->as_text) return keep_text(column, text, length) ? MORE : NO_MEMORY;
    return keep_number(column, column->is.held == DATE ? days(&value) : microseconds(&value)) ? MORE : NO_MEMORY;
}

/* A span of time, as text: `[-]HH:MM:SS`, or three digits of hours. */
static Status add_time(Column *column, const uint8_t *at, size_t size, uint8_t **canonical) {
    uint32_t whole = 0, fraction = 0;
    if ((size != 0 && size != 8 && size != 12) || column->is.places > MOST_PLACES) return NO_VALUE;
    if (size) memcpy(&whole, at + 1, 4);
    if (size > 8) memcpy(&fraction, at + 8, 4);
    if (whole > 40 || (size && (at[5] > 23 || at[6] > 59 || at[7] > 59))) return NO_VALUE;
    if (fraction > 999999 || fraction % BEYOND[column->is.places]) return NO_VALUE;
    uint8_t text[LONGEST_MOMENT], *to = text;
    int hours = size ? whole * 24 + at[5] : 0;
    if (size && at[0]) *to++ = '-';
    if (hours > 99) *to++ = '0' + hours / 100;
    to = time_text(to, hours % 100, size ? at[6] : 0, size ? at[7] : 0, fraction, column->is.places);
    return add_text(column, text, to - text, canonical);
}

/* ---------------------------------------------------------------- by the server's type */

/* The bytes of a number that comes as one; 0 for what says its length itself. */
static size_t size_of(int32_t type) {
    switch (type) {
    case TYPE_TINY: return 1;
    case TYPE_SHORT:
    case TYPE_YEAR: return 2;
    case TYPE_LONG:
    case TYPE_INT24:
    case TYPE_FLOAT: return 4;
    case TYPE_DOUBLE:
    case TYPE_LONGLONG: return 8;
    default: return 0;
    }
}

static Status add_number(Column *column, const uint8_t *at, size_t size, uint8_t **canonical) {
    if (column->is.type == TYPE_FLOAT || column->is.type == TYPE_DOUBLE) {
        float single;
        double value;
        if (column->is.type == TYPE_FLOAT) memcpy(&single, at, 4), value = single;
        else memcpy(&value, at, 8);
        return column->is.held == FLOAT ? add_float(column, value, canonical) : NO_VALUE;
    }
    if (column->is.held != SIGNED && column->is.held != UNSIGNED) return NO_VALUE;
    uint64_t value = number_at(at, size);
    bool negative = !column->is.is_unsigned && value >> (8 * size - 1);
    if (negative) value = -(size == 8 ? value : value | ~(uint64_t)0 << 8 * size);
    return add_integer(column, value, negative, canonical);
}

static Status add_value(Column *column, const uint8_t *at, size_t size, int64_t rows, uint8_t **canonical) {
    bool is_date = column->is.type == TYPE_TIMESTAMP || column->is.type == TYPE_DATE || column->is.type == TYPE_DATETIME;
    if (is_date != (column->is.held == DATE || column->is.held == DATETIME)) return NO_VALUE;
    if (is_date) return add_date(column, at, size, rows, canonical);
    if (column->is.type == TYPE_TIME) return column->is.held == TEXT ? add_time(column, at, size, canonical) : NO_VALUE;
    switch ((Held)column->is.held) {
    case DECIMAL: return add_decimal(column, at, size, canonical);
    case TEXT:
    case BYTES: return add_text(column, at, size, canonical);
    default: return NO_VALUE;
    }
}

#endif
