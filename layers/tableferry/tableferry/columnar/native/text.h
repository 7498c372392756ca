/* Digits and quotes: what numbers and texts are written with. Each function writes where `to` points, and returns the end;
 * that there is room, the caller has seen to.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>
#include <string.h>

static const char HUNDRED[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                              "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                              "8081828384858687888990919293949596979899";

static int digits_of(uint64_t value) {
    int count = 1;
    for (; value >= 10000; value /= 10000) count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

static uint8_t *digits_at(uint8_t *to, uint64_t value, int count) {
    uint8_t *at = to + count;
    for (; value >= 100; value /= 100) memcpy(at -= 2, HUNDRED + 2 * (value % 100), 2);
    if (value >= 10) memcpy(at - 2, HUNDRED + 2 * value, 2);
    else at[-1] = '0' + value;
    return to + count;
}

static uint8_t *decimal(uint8_t *to, uint64_t value) { return digits_at(to, value, digits_of(value)); }

static uint8_t *hexadecimal(uint8_t *to, const uint8_t *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        *to++ = "0123456789abcdef"[from[i] >> 4];
        *to++ = "0123456789abcdef"[from[i] & 15];
    }
    return to;
}

/* Text between quotes, and those in it twice: at most twice as long, and two more. */
static uint8_t *quoted_text(uint8_t *to, const uint8_t *from, size_t size) {
    *to++ = '"';
    for (const uint8_t *end = from + size, *quote; from < end; from = quote) {
        quote = memchr(from, '"', end - from);
        quote = quote ? quote + 1 : end;
        memcpy(to, from, quote - from);
        to += quote - from;
        if (to[-1] == '"') *to++ = '"';
    }
    *to++ = '"';
    return to;
}

static uint8_t *framed(uint8_t *to, const uint8_t *text, size_t size) {
    to = decimal(to, size);
    *to++ = ':';
    memcpy(to, text, size);
    return to + size;
}

static uint8_t *two_digits(uint8_t *to, int value, uint8_t after) {
    memcpy(to, HUNDRED + 2 * value, 2);
    to[2] = after;
    return to + 3;
}

#endif
