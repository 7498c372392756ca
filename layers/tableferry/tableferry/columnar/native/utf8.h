/* Whether bytes are UTF-8: without surrogates, overlong forms and what is behind U+10FFFF (RFC 3629). */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>

#include "numbers.h"

#define NOT_ASCII 0x8080808080808080

static bool is_ascii(const uint8_t *at, size_t size) {
    const uint8_t *end = at + size;
    uint64_t seen = 0;
    if (size >= 8) {
        for (; end - at > 8; at += 8) seen |= word(at);
        seen |= word(end - 8);
    } else if (size >= 4) seen = number_at(at, 4) | number_at(end - 4, 4);
    else while (at < end) seen |= *at++;
    return !(seen & NOT_ASCII);
}

static bool is_utf8(const uint8_t *at, size_t size) {
    const uint8_t *end = at + size;
    if (is_ascii(at, size)) return true;
    while (at < end) {
        if (end - at >= 8 && !(word(at) & NOT_ASCII)) {
            at += 8;
            continue;
        }
        uint8_t first = *at++;
        if (first < 0x80) continue;
        int more = first >= 0xC2 && first <= 0xDF ? 1 : first >= 0xE0 && first <= 0xEF ? 2 : first >= 0xF0 && first <= 0xF4 ? 3 : 0;
        if (!more || end - at < more) return false;
        if ((first == 0xE0 && at[0] < 0xA0) || (first == 0xED && at[0] > 0x9F) || (first == 0xF0 && at[0] < 0x90) ||
            (first == 0xF4 && at[0] > 0x8F))
            return false;
        for (; more; more--)
            if ((*at++ & 0xC0) != 0x80) return false;
    }
    return true;
}

#endif
