/* Numbers as they lie in memory: little-endian and not aligned, as MySQL's protocol and Arrow have them.
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
 */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdint.h>
#include <string.h>

typedef unsigned __int128 u128;

static inline uint64_t word(const uint8_t *at) { /* little-endian, as every machine is that this is built for */
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* A number of 1, 2, 4 or 8 bytes. To copy so many into a longer one would stall: it is read before it has been written. */
static inline uint64_t number_at(const uint8_t *at, size_t size) {
    uint16_t two;
    uint32_t four;
    switch (size) {
    case 1: return *at;
    case 2: memcpy(&two, at, 2); return two;
    case 4: memcpy(&four, at, 4); return four;
    default: return word(at);
    }
}

#endif
