/* A prepared statement's rows as Arrow columns, and their digest, without an object per value; and rows as text.
 *
 * `native.py` loads this by ctypes and says what each function takes; `splitter.py` has the same in plain Python, for
 * machines where nobody compiled it, and tests hold the two together. There is no Python in here, so that one library
 * does for every version of it, and every call runs beside other threads.
 *
 * Rows:    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html
 * Columns: https://arrow.apache.org/docs/format/CDataInterface.html
 * Digest:  the definition is `digest.py`'s; BLAKE2b is RFC 7693.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define VERSION 8
#ifndef WITHOUT_AVX512 /* for tests, as WITHOUT_AVX is */
#define WITHOUT_AVX512 0
#endif

/* ---------------------------------------------------------------- bytes that grow */

typedef struct {
    uint8_t *data;
    size_t used, room;
} bytes;

/* Memory of columns that have been written, kept for the next ones: fresh pages took a twentieth of a backup's processor
 * time. Shared by all threads, as one fills a column and another one gives it back. */
#define MOST_SPARE 32
#define SPARE_BYTES (32 * 1024 * 1024) /* at most, of all together */
#define SPARE_FROM (64 * 1024)

static struct {
    atomic_flag taken;
    int count;
    size_t room;
    bytes each[MOST_SPARE];
} spare = {.taken = ATOMIC_FLAG_INIT};

static void begin_with_spare(void) {
    while (atomic_flag_test_and_set_explicit(&spare.taken, memory_order_acquire)) {}
}

static void end_with_spare(void) { atomic_flag_clear_explicit(&spare.taken, memory_order_release); }

/* The smallest with room for so much; without data if there is none. */
static bytes spared(size_t room) {
    bytes found = {0};
    int best = -1;
    if (room < SPARE_FROM) return found;
    begin_with_spare();
    for (int i = 0; i < spare.count; i++)
        if (spare.each[i].room >= room && (best < 0 || spare.each[i].room < spare.each[best].room)) best = i;
    if (best >= 0) {
        found = spare.each[best];
        spare.each[best] = spare.each[--spare.count];
        spare.room -= found.room;
    }
    end_with_spare();
    found.used = 0;
    return found;
}

static void drop(bytes *of) {
    uint8_t *data = of->data;
    if (of->room >= SPARE_FROM && of->room <= SPARE_BYTES) {
        begin_with_spare();
        if (spare.count < MOST_SPARE && spare.room + of->room <= SPARE_BYTES) {
            spare.each[spare.count++] = *of;
            spare.room += of->room;
            data = NULL;
        }
        end_with_spare();
    }
    free(data);
    *of = (bytes){0};
}

static bool reserve(bytes *of, size_t more) {
    if (of->room - of->used >= more) return true;
    size_t room = of->room ? of->room : 4096;
    while (room - of->used < more) {
        if (room > SIZE_MAX / 2) return false;
        room *= 2;
    }
    bytes wider = spared(room);
    if (wider.data) {
        if (of->used) memcpy(wider.data, of->data, of->used);
        wider.used = of->used;
        drop(of);
        *of = wider;
        return true;
    }
    uint8_t *data = realloc(of->data, room);
    if (!data) return false;
    of->data = data;
    of->room = room;
    return true;
}

static bool append(bytes *to, const void *data, size_t size) {
    if (!reserve(to, size)) return false;
    if (size) memcpy(to->data + to->used, data, size);
    to->used += size;
    return true;
}

/* ---------------------------------------------------------------- BLAKE2b-128, of one message or several at once */

#define BLOCK 128
#define LANES 8 /* at most */
typedef uint64_t four __attribute__((vector_size(8 * 4)));
typedef uint64_t eight __attribute__((vector_size(8 * 8)));

static const uint64_t IV[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
#define DIGEST_BYTES 16
#define MOST_OF_KEY 64

#define TURNED(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define G(a, b, c, d, x, y)                                                                                            \
    a += b + (x);                                                                                                      \
    d = TURNED(d ^ a, 32);                                                                                             \
    c += d;                                                                                                            \
    b = TURNED(b ^ c, 24);                                                                                             \
    a += b + (y);                                                                                                      \
    d = TURNED(d ^ a, 16);                                                                                             \
    c += d;                                                                                                            \
    b = TURNED(b ^ c, 63)
#define ROUND(a, b, c, d, e, f, g, h, i, j, k, l, n, o, p, q)                                                          \
    G(v[0], v[4], v[8], v[12], m[a], m[b]);                                                                            \
    G(v[1], v[5], v[9], v[13], m[c], m[d]);                                                                            \
    G(v[2], v[6], v[10], v[14], m[e], m[f]);                                                                           \
    G(v[3], v[7], v[11], v[15], m[g], m[h]);                                                                           \
    G(v[0], v[5], v[10], v[15], m[i], m[j]);                                                                           \
    G(v[1], v[6], v[11], v[12], m[k], m[l]);                                                                           \
    G(v[2], v[7], v[8], v[13], m[n], m[o]);                                                                            \
    G(v[3], v[4], v[9], v[14], m[p], m[q])
#define ROUNDS                                                                                                         \
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                                                       \
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);                                                       \
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);                                                       \
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);                                                       \
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);                                                       \
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);                                                       \
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);                                                       \
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);                                                       \
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);                                                       \
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);                                                       \
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                                                       \
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)

typedef struct {
    const uint8_t *data; /* zeros from its end to the next block's border */
    uint64_t size;
    uint64_t h[8];
} message;

/* Where a message's hash starts from: behind the key's block if there is a key, which is compressed once for all messages. */
typedef struct {
    uint64_t h[8];
    uint64_t before; /* bytes that are in it */
} start;

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

static uint64_t blocks_of(uint64_t size) { return size > BLOCK ? (size + BLOCK - 1) / BLOCK : 1; }

static void compress(uint64_t h[8], const uint8_t *block, uint64_t counted, bool last) {
    uint64_t m[16], v[16];
    for (int i = 0; i < 16; i++) m[i] = word(block + 8 * i);
    for (int i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = IV[i];
    v[12] ^= counted;
    if (last) v[14] = ~v[14];
    ROUNDS;
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

/* RFC 7693, 2.5 and 3.3. A message behind a key must not be empty: the key's block would be its last. */
static start start_of(const uint8_t *key, size_t size) {
    start made = {.before = size ? BLOCK : 0};
    memcpy(made.h, IV, sizeof IV);
    made.h[0] ^= 0x01010000 ^ size << 8 ^ DIGEST_BYTES;
    if (size) {
        uint8_t block[BLOCK] = {0};
        memcpy(block, key, size);
        compress(made.h, block, BLOCK, false);
    }
    return made;
}

#ifdef __clang__
#define PICKED(vector, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICKED(vector, a, b, ...) __builtin_shuffle(a, b, (vector){__VA_ARGS__})
#endif
#define CROSSED(vector, a, b, low, high)                                                                               \
    {                                                                                                                  \
        vector first = PICKED(vector, a, b, UNWRAPPED low), second = PICKED(vector, a, b, UNWRAPPED high);             \
        a = first;                                                                                                     \
        b = second;                                                                                                    \
    }
#define UNWRAPPED(...) __VA_ARGS__

/* Rows of words as columns: words that lie one, then two, then four apart change places. */
#define TURN_four(r)                                                                                                   \
    for (int j = 0; j < 4; j += 2) CROSSED(four, r[j], r[j + 1], (0, 4, 2, 6), (1, 5, 3, 7))                           \
    for (int j = 0; j < 2; j++) CROSSED(four, r[j], r[j + 2], (0, 1, 4, 5), (2, 3, 6, 7))
#define TURN_eight(r)                                                                                                  \
    for (int j = 0; j < 8; j += 2) CROSSED(eight, r[j], r[j + 1], (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)) \
    for (int j = 0; j < 8; j += j % 2 ? 3 : 1)                                                                         \
        CROSSED(eight, r[j], r[j + 2], (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15))                       \
    for (int j = 0; j < 4; j++) CROSSED(eight, r[j], r[j + 4], (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))

/* The first `count` blocks of as many messages as a vector has words. */
#define COMPRESS(vector, width)                                                                                        \
    vector h[8] = {0};                                                                                                 \
    for (int i = 0; i < 8; i++)                                                                                        \
        for (int lane = 0; lane < width; lane++) h[i][lane] = of[lane].h[i];                                           \
    for (uint64_t block = 0; block < count; block++) {                                                                 \
        vector m[16], v[16], counted = {0}, last = {0};                                                                \
        for (int lane = 0; lane < width; lane++) {                                                                     \
            uint64_t end = (block + 1) * BLOCK, size = of[lane].size;                                                  \
            counted[lane] = before + (end < size ? end : size);                                                        \
            last[lane] = end < size ? 0 : ~(uint64_t)0;                                                                \
        }                                                                                                              \
        for (int i = 0; i < 16; i += width) {                                                                          \
            for (int lane = 0; lane < width; lane++)                                                                   \
                memcpy(&m[i + lane], of[lane].data + block * BLOCK + 8 * i, sizeof m[0]);                              \
            TURN_##vector((m + i))                                                                                     \
        }                                                                                                              \
        for (int i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = (vector){0} + IV[i];                                       \
        v[12] ^= counted;                                                                                              \
        v[14] ^= last;                                                                                                 \
        ROUNDS;                                                                                                        \
        for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];                                                           \
    }                                                                                                                  \
    for (int i = 0; i < 8; i++)                                                                                        \
        for (int lane = 0; lane < width; lane++) of[lane].h[i] = h[i][lane]

static void compress_plainly(message *of, uint64_t count, uint64_t before) { COMPRESS(four, 4); }

#if defined __x86_64__ && !defined WITHOUT_AVX
__attribute__((target("avx2"))) static void compress_by_avx2(message *of, uint64_t count, uint64_t before) { COMPRESS(four, 4); }
/* Twice the words, twice the registers, and instructions that turn them. */
__attribute__((target("avx512f"))) static void compress_by_avx512(message *of, uint64_t count, uint64_t before) { COMPRESS(eight, 8); }

static int lanes_here(void) { return __builtin_cpu_supports("avx512f") && !WITHOUT_AVX512 ? 8 : 4; }

static void compress_together(message *of, uint64_t count, uint64_t before) {
    if (lanes_here() == 8) compress_by_avx512(of, count, before);
    else if (__builtin_cpu_supports("avx2")) compress_by_avx2(of, count, before);
    else compress_plainly(of, count, before);
}
#else
static int lanes_here(void) { return 4; }
#define compress_together compress_plainly
#endif

typedef unsigned __int128 u128;

/* The sum of the hashes of up to as many messages as there are lanes; of has room for all of these. */
static u128 hashed(message *of, int used, const start *from) {
    uint64_t together = 2 * used >= lanes_here() ? UINT64_MAX : 0; /* fewer are done sooner one by one */
    for (int lane = 0; lane < used; lane++) {
        uint64_t count = blocks_of(of[lane].size);
        if (count < together) together = count;
        memcpy(of[lane].h, from->h, sizeof from->h);
    }
    for (int lane = used; lane < lanes_here(); lane++) of[lane] = of[0]; /* any will do */
    if (together) compress_together(of, together, from->before);
    u128 sum = 0;
    for (int lane = 0; lane < used; lane++) {
        uint64_t count = blocks_of(of[lane].size), size = of[lane].size;
        for (uint64_t block = together; block < count; block++) {
            uint64_t end = (block + 1) * BLOCK;
            compress(of[lane].h, of[lane].data + block * BLOCK, from->before + (end < size ? end : size), block + 1 == count);
        }
        sum += (u128)of[lane].h[1] << 64 | of[lane].h[0];
    }
    return sum;
}

/* ---------------------------------------------------------------- rows put together for the digest */

#define TOGETHER (8 * 1024 * 1024) /* bytes of rows that wait for each other */

typedef struct {
    bytes text; /* of the rows that wait, each begun at a block's border */
    size_t begins[LANES], sizes[LANES];
    int waiting;
    u128 sum;
    start from;
} digester;

static void hash_waiting(digester *of) {
    message rows[LANES];
    for (int lane = 0; lane < of->waiting; lane++)
        rows[lane] = (message){.data = of->text.data + of->begins[lane], .size = of->sizes[lane]};
    of->sum += hashed(rows, of->waiting, &of->from);
    of->waiting = 0;
    of->text.used = 0;
}

/* Room for a row of at most `most` bytes; NULL if there is no memory. */
static uint8_t *begin_row(digester *of, size_t most) {
    if (of->waiting && of->text.used + most > TOGETHER) hash_waiting(of);
    return reserve(&of->text, most + BLOCK) ? of->text.data + of->text.used : NULL;
}

static void end_row(digester *of, uint8_t *end) {
    size_t begin = of->text.used, size = end - (of->text.data + begin);
    size_t padded = blocks_of(size) * BLOCK;
    memset(end, 0, padded - size);
    of->begins[of->waiting] = begin;
    of->sizes[of->waiting++] = size;
    of->text.used += padded;
    if (of->waiting == lanes_here()) hash_waiting(of);
    if (!of->waiting && of->text.room > 2 * TOGETHER) drop(&of->text);
}

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

/* ---------------------------------------------------------------- days and moments as numbers and as text */

typedef struct {
    int year, month, day, hour, minute, second, fraction; /* fraction: microseconds */
} moment;

/* Whether a calendar has the day; zero, partial and invalid dates it has not. */
static bool in_calendar(const moment *of) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (of->month < 1 || of->month > 12 || of->day < 1) return false;
    bool leap = of->year % 4 == 0 && (of->year % 100 != 0 || of->year % 400 == 0);
    return of->day <= lengths[of->month - 1] + (of->month == 2 && leap);
}

/* Days since 1970, for years from 0 on (H. Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days(const moment *of) {
    int64_t shifted = of->year - (of->month <= 2) + 400; /* so that nothing is below zero */
    int64_t era = shifted / 400, of_era = shifted % 400;
    int64_t of_year = (153 * (of->month + (of->month > 2 ? -3 : 9)) + 2) / 5 + of->day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468 - 146097;
}

static int64_t microseconds(const moment *of) {
    return (((days(of) * 24 + of->hour) * 60 + of->minute) * 60 + of->second) * 1000000 + of->fraction;
}

static moment day_of(int64_t day) {
    int64_t shifted = day + 719468 + 146097;
    int64_t era = shifted / 146097, of_era = shifted % 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153;
    moment found = {.month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9};
    found.year = year_of_era + (era - 1) * 400 + (found.month <= 2);
    found.day = of_year - (153 * shifted_month + 2) / 5 + 1;
    return found;
}

static moment moment_of(int64_t value) {
    const int64_t of_day = (int64_t)24 * 3600 * 1000000;
    int64_t day = value / of_day - (value % of_day < 0), left = value - day * of_day;
    moment found = day_of(day);
    found.fraction = left % 1000000;
    found.second = left / 1000000 % 60;
    found.minute = left / 60000000 % 60;
    found.hour = left / 3600000000;
    return found;
}

static uint8_t *two_digits(uint8_t *to, int value, uint8_t after) {
    memcpy(to, HUNDRED + 2 * value, 2);
    to[2] = after;
    return to + 3;
}

/* `YYYY-MM-DD` */
static uint8_t *day_text(uint8_t *to, const moment *of) {
    two_digits(to, of->year / 100, 0);
    to = two_digits(to + 2, of->year % 100, '-');
    to = two_digits(to, of->month, '-');
    return two_digits(to, of->day, 0) - 1;
}

/* `HH:MM:SS`, with so many places of a second */
static uint8_t *time_text(uint8_t *to, int hour, int minute, int second, int fraction, int places) {
    to = two_digits(to, hour, ':');
    to = two_digits(to, minute, ':');
    to = two_digits(to, second, '.');
    if (!places) return to - 1;
    for (int unit = 100000; places--; unit /= 10) *to++ = '0' + fraction / unit % 10;
    return to;
}

static uint8_t *moment_text(uint8_t *to, const moment *of, int places) {
    to = day_text(to, of);
    *to++ = ' ';
    return time_text(to, of->hour, of->minute, of->second, of->fraction, places);
}

/* ---------------------------------------------------------------- values */

typedef enum { SIGNED = 'i', UNSIGNED = 'u', DECIMAL = 'd', FLOAT = 'f', DATE = 'D', DATETIME = 'T', TEXT = 't', BYTES = 'b' } kind;

/* How the server says that it sends a value; every other type comes as a string. */
enum { TINY = 1, SHORT = 2, LONG = 3, SINGLE = 4, DOUBLE = 5, TIMESTAMP = 7, LONGLONG = 8, INT24 = 9, DAY = 10, TIME = 11, MOMENT = 12, YEAR = 13 };

typedef struct {
    int32_t kind, width, precision, scale;  /* what the column is to hold; width: bytes of a number */
    int32_t type, is_unsigned, places;      /* how it comes */
} description;

typedef struct {
    description is;
    bool kept;    /* its values are wanted, and not only their text */
    bool as_text; /* dates, of which one is in no calendar */
    bytes values; /* numbers, or the long ones of texts and bytes one after the other */
    bytes views;  /* of texts and bytes, Arrow's 16 bytes each: how long, and what or where */
    bytes validity;
    int64_t nulls;
} column;

#define VIEW 16
#define IN_VIEW 12 /* bytes of a text that are in its view */
#ifndef MOST_VIEWED /* for tests */
#define MOST_VIEWED ((size_t)INT32_MAX) /* bytes that views can tell apart */
#endif

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

static bool has_views(const column *of) { return of->is.kind == TEXT || of->is.kind == BYTES || of->as_text; }

/* What became of a value or a row. */
typedef enum { MORE, FULL, ENDED, REFUSED, MALFORMED, OUT_OF_ORDER, NO_VALUE, NO_TEXT, NO_MEMORY } status;

static bool is_null(const column *of, int64_t row) { return of->nulls && !(of->validity.data[row / 8] >> row % 8 & 1); }

/* Bits of rows up to this one, set where there is something, which is the rule. */
static bool note(column *of, int64_t row, bool there) {
    if (there && !of->nulls) return true;
    size_t size = row / 8 + 1;
    if (of->validity.used < size) {
        size_t missing = size - of->validity.used;
        if (!reserve(&of->validity, missing)) return false;
        memset(of->validity.data + of->validity.used, 0xFF, missing);
        of->validity.used = size;
    }
    if (there) return true;
    of->nulls++;
    of->validity.data[row / 8] &= ~(1 << row % 8);
    return true;
}

static status add_null(column *of, int64_t row) {
    static const uint8_t zeros[VIEW];
    if (!of->kept) return MORE;
    if (!note(of, row, false)) return NO_MEMORY;
    bool done = has_views(of) ? append(&of->views, zeros, VIEW) : append(&of->values, zeros, of->is.width);
    return done ? MORE : NO_MEMORY;
}

/* A number of up to 8 bytes; little-endian: the low ones are the shorter number. */
static bool keep_number(column *of, uint64_t value) {
    if (!of->kept) return true;
    if (!reserve(&of->values, 8)) return false;
    memcpy(of->values.data + of->values.used, &value, 8);
    of->values.used += of->is.width;
    return true;
}

/* A whole number; its text has no zeros in front. */
static status add_integer(column *of, uint64_t magnitude, bool negative, uint8_t **canonical) {
    int bits = 8 * of->is.width;
    negative &= magnitude != 0;
    if (of->is.kind == SIGNED) {
        if (magnitude > ((uint64_t)1 << (bits - 1)) - !negative) return NO_VALUE;
    } else if (negative || (bits < 64 && magnitude >> bits)) return NO_VALUE;
    uint64_t value = negative ? -magnitude : magnitude;
    if (!keep_number(of, value)) return NO_MEMORY;
    int count = digits_of(magnitude);
    uint8_t *to = decimal(*canonical, count + negative);
    *to++ = ':';
    if (negative) *to++ = '-';
    *canonical = digits_at(to, magnitude, count);
    return MORE;
}

/* A decimal number, and its text with one digit at least before the point and all of its scale behind. */
static status add_decimal(column *of, const uint8_t *text, size_t size, uint8_t **canonical) {
    bool negative = size && *text == '-';
    const uint8_t *at = text + negative, *end = text + size;
    int scale = of->is.scale;
    while (end - at > (scale ? scale + 2 : 1) && *at == '0') at++;
    const uint8_t *digits = at;
    const uint8_t *point = scale ? end - scale - 1 : end;
    if (at == end || (scale && (end - at <= scale || *point != '.'))) return NO_VALUE;
    if ((point - at) + scale > of->is.precision + (point - at == 1 && *at == '0')) return NO_VALUE;
    u128 value = 0;
    for (; at < end; at++) {
        if (at == point) continue;
        if (!is_digit(*at)) return NO_VALUE;
        value = value * 10 + (*at - '0');
    }
    negative &= value != 0;
    bool bare = point == digits; /* `.5` */
    __int128 whole = negative ? -(__int128)value : (__int128)value;
    if (of->kept && !append(&of->values, &whole, sizeof whole)) return NO_MEMORY;
    uint8_t *to = decimal(*canonical, end - digits + negative + bare);
    *to++ = ':';
    if (negative) *to++ = '-';
    if (bare) *to++ = '0';
    memcpy(to, digits, end - digits);
    *canonical = to + (end - digits);
    return MORE;
}

static status add_float(column *of, double value, uint8_t **canonical) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    if ((bits >> 52 & 0x7FF) == 0x7FF) return NO_VALUE;
    if (!keep_number(of, bits)) return NO_MEMORY;
    int count = digits_of(bits);
    uint8_t *to = decimal(*canonical, count);
    *to++ = ':';
    *canonical = digits_at(to, bits, count);
    return MORE;
}

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

/* https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout */
static bool keep_text(column *of, const uint8_t *text, size_t size) {
    if (!of->kept) return true;
    uint32_t view[VIEW / 4] = {size};
    if (size <= IN_VIEW) memcpy(view + 1, text, size);
    else {
        if (size > MOST_VIEWED - of->values.used) return false;
        memcpy(view + 1, text, 4);
        view[3] = of->values.used;
        if (!append(&of->values, text, size)) return false;
    }
    return append(&of->views, view, VIEW);
}

static status add_text(column *of, const uint8_t *text, size_t size, uint8_t **canonical) {
    if (of->is.kind != BYTES && !is_utf8(text, size)) return NO_TEXT;
    if (!keep_text(of, text, size)) return NO_MEMORY;
    if (of->is.kind != BYTES) {
        *canonical = framed(*canonical, text, size);
        return MORE;
    }
    uint8_t *to = decimal(*canonical, 2 * size);
    *to++ = ':';
    *canonical = hexadecimal(to, text, size);
    return MORE;
}

#define LONGEST_MOMENT 32
static const uint32_t BEYOND[] = {1000000, 100000, 10000, 1000, 100, 10, 1}; /* so many places */

static uint8_t *date_text(const column *of, uint8_t *to, const moment *value) {
    return of->is.kind == DATE ? day_text(to, value) : moment_text(to, value, of->is.scale);
}

/* Turn the numbers of a column of dates to text. */
static bool to_text(column *of, int64_t rows) {
    bytes numbers = of->values;
    of->values = (bytes){0};
    of->as_text = true;
    bool done = true;
    for (int64_t row = 0; done && row < rows; row++) {
        uint8_t text[LONGEST_MOMENT], *end = text;
        if (!is_null(of, row)) {
            moment value = of->is.kind == DATE ? day_of(((int32_t *)numbers.data)[row]) : moment_of(((int64_t *)numbers.data)[row]);
            end = date_text(of, text, &value);
        }
        done = keep_text(of, text, end - text);
    }
    drop(&numbers);
    return done;
}

/* A date or a moment, from the fields that are there; `rows` are before it. */
static status add_date(column *of, const uint8_t *at, size_t size, int64_t rows, uint8_t **canonical) {
    moment value = {0};
    if (size != 0 && size != 4 && size != 7 && size != 11) return NO_VALUE;
    if (size) value.year = at[0] | at[1] << 8, value.month = at[2], value.day = at[3];
    if (size > 4) value.hour = at[4], value.minute = at[5], value.second = at[6];
    if (size > 7) {
        uint32_t fraction;
        memcpy(&fraction, at + 7, 4);
        if (fraction > 999999) return NO_VALUE;
        value.fraction = fraction;
    }
    if (value.year > 9999 || value.month > 12 || value.day > 31 || value.hour > 23 || value.minute > 59 || value.second > 59) return NO_VALUE;
    if (of->is.kind == DATE ? size > 4 : value.fraction % BEYOND[of->is.scale] != 0) return NO_VALUE;
    uint8_t *text = *canonical + 3; /* its length has two digits */
    size_t length = date_text(of, text, &value) - text;
    two_digits(*canonical, length, ':');
    *canonical = text + length;
    if (!of->kept) return MORE;
    if (!of->as_text && !in_calendar(&value) && !to_text(of, rows)) return NO_MEMORY;
    if (of->as_text) return keep_text(of, text, length) ? MORE : NO_MEMORY;
    return keep_number(of, of->is.kind == DATE ? days(&value) : microseconds(&value)) ? MORE : NO_MEMORY;
}

/* A span of time, as text: `[-]HH:MM:SS`, or three digits of hours. */
static status add_time(column *of, const uint8_t *at, size_t size, uint8_t **canonical) {
    uint32_t whole = 0, fraction = 0;
    if ((size != 0 && size != 8 && size != 12) || of->is.places > 6) return NO_VALUE;
    if (size) memcpy(&whole, at + 1, 4);
    if (size > 8) memcpy(&fraction, at + 8, 4);
    if (whole > 40 || fraction > 999999 || fraction % BEYOND[of->is.places] || (size && (at[5] > 23 || at[6] > 59 || at[7] > 59))) return NO_VALUE;
    uint8_t text[LONGEST_MOMENT], *to = text;
    int hours = size ? whole * 24 + at[5] : 0;
    if (size && at[0]) *to++ = '-';
    if (hours > 99) *to++ = '0' + hours / 100;
    to = time_text(to, hours % 100, size ? at[6] : 0, size ? at[7] : 0, fraction, of->is.places);
    return add_text(of, text, to - text, canonical);
}

/* The bytes of a number that comes as one; 0 for what says its length itself. */
static size_t size_of(int32_t type) {
    switch (type) {
    case TINY: return 1;
    case SHORT:
    case YEAR: return 2;
    case LONG:
    case INT24:
    case SINGLE: return 4;
    case DOUBLE:
    case LONGLONG: return 8;
    default: return 0;
    }
}

static status add_number(column *of, const uint8_t *at, size_t size, uint8_t **canonical) {
    if (of->is.type == SINGLE || of->is.type == DOUBLE) {
        float single;
        double value;
        if (of->is.type == SINGLE) memcpy(&single, at, 4), value = single;
        else memcpy(&value, at, 8);
        return of->is.kind == FLOAT ? add_float(of, value, canonical) : NO_VALUE;
    }
    if (of->is.kind != SIGNED && of->is.kind != UNSIGNED) return NO_VALUE;
    uint64_t value = number_at(at, size);
    bool negative = !of->is.is_unsigned && value >> (8 * size - 1);
    if (negative) value = -(size == 8 ? value : value | ~(uint64_t)0 << 8 * size);
    return add_integer(of, value, negative, canonical);
}

static status add_value(column *of, const uint8_t *at, size_t size, int64_t rows, uint8_t **canonical) {
    bool is_date = of->is.type == TIMESTAMP || of->is.type == DAY || of->is.type == MOMENT;
    if (is_date != (of->is.kind == DATE || of->is.kind == DATETIME)) return NO_VALUE;
    if (is_date) return add_date(of, at, size, rows, canonical);
    if (of->is.type == TIME) return of->is.kind == TEXT ? add_time(of, at, size, canonical) : NO_VALUE;
    switch ((kind)of->is.kind) {
    case DECIMAL: return add_decimal(of, at, size, canonical);
    case TEXT:
    case BYTES: return add_text(of, at, size, canonical);
    default: return NO_VALUE;
    }
}

/* ---------------------------------------------------------------- packets */

#define HEADER 4
#define MOST_PAYLOAD 0xFFFFFF /* and the next packet goes on with it */
#define LONG_KEPT (4 * 1024 * 1024)
#define MOST_TOGETHER ((int64_t)MOST_VIEWED / 4) /* and no row of a server's is longer than twice that */

/* What rows become, besides their digest; `native.py`'s Into. */
typedef enum { COLUMNS, LINES, NOTHING } output;

typedef struct {
    /* What `native.py` reads; its `_Head` has the same fields. */
    int32_t status, column;
    int64_t rows, size; /* of the columns that wait to be taken; size in bytes of packets */
    uint64_t digest[2];
    uint32_t sequence, message_size;
    const uint8_t *message;
    /* Our own. */
    int64_t most_size, most_rows;
    int32_t width;
    output output;
    bytes first_line, lines; /* of CSV */
    uint8_t header[HEADER];
    size_t in_header, left;
    bool in_packet, goes_on;
    bytes row; /* one that did not come whole */
    digester rows_digest;
    column columns[];
} splitter;

/* A field of CSV from a value's canonical text, and what stands behind it. */
static uint8_t *field_text(uint8_t *to, const uint8_t *text, const uint8_t *end, kind is, uint8_t after) {
    while (text < end && *text++ != ':') {}
    bool quoted = is == TEXT || is == BYTES;
    if (is == TEXT) to = quoted_text(to, text, end - text);
    else {
        if (quoted) *to++ = '"';
        memcpy(to, text, end - text);
        to += end - text;
        if (quoted) *to++ = '"';
    }
    *to++ = after;
    return to;
}

static status add_row(splitter *of, const uint8_t *payload, size_t size) {
    size_t at = 1 + ((size_t)of->width + 9) / 8; /* a zero, and a bit for each NULL, of which two stand for nothing */
    if (size < at || payload[0]) return MALFORMED;
    size_t most = (size_t)of->width * 48 + 2 * size; /* of its text; hexadecimal digits are two for a byte */
    uint8_t *canonical = begin_row(&of->rows_digest, most);
    if (!canonical) return NO_MEMORY;
    bool lines = of->output == LINES;
    if (lines && !reserve(&of->lines, most)) return NO_MEMORY;
    uint8_t *line = of->lines.data + of->lines.used;
    for (int32_t i = 0; i < of->width; i++) {
        column *to = &of->columns[i];
        uint8_t *begin = canonical, after = i + 1 < of->width ? ',' : '\n';
        of->column = i;
        if (payload[1 + (i + 2) / 8] >> (i + 2) % 8 & 1) {
            if (add_null(to, of->rows) != MORE) return NO_MEMORY;
            *canonical++ = '-';
            if (lines) *line++ = after;
            continue;
        }
        if (!note(to, of->rows, true)) return NO_MEMORY;
        uint64_t length = size_of(to->is.type);
        bool is_number = length != 0;
        if (!is_number) {
            if (at >= size) return MALFORMED;
            length = payload[at++];
            if (length > 0xFA) {
                size_t digits = length == 0xFC ? 2 : length == 0xFD ? 3 : length == 0xFE ? 8 : 0;
                if (!digits || size - at < digits) return MALFORMED;
                length = 0;
                memcpy(&length, payload + at, digits);
                at += digits;
            }
        }
        if (length > size - at) return MALFORMED;
        status done = is_number ? add_number(to, payload + at, length, &canonical)
                                : add_value(to, payload + at, length, of->rows, &canonical);
        if (done != MORE) return done;
        at += length;
        if (lines) line = field_text(line, begin, canonical, (kind)to->is.kind, after);
    }
    if (at != size) return MALFORMED;
    if (lines) of->lines.used = line - of->lines.data;
    end_row(&of->rows_digest, canonical);
    of->rows++;
    of->size += size;
    return of->size >= of->most_size || of->rows >= of->most_rows ? FULL : MORE;
}

static status add_payload(splitter *of, const uint8_t *payload, size_t size) {
    if (!size) return MALFORMED;
    if (payload[0] == 0xFF) {
        of->message = payload;
        of->message_size = size < MOST_PAYLOAD ? size : MOST_PAYLOAD; /* `native.py` reads it by an int */
        return REFUSED;
    }
    if (payload[0] == 0xFE && size <= 8) return ENDED;
    return add_row(of, payload, size);
}

static bool begin_packet(splitter *of, const uint8_t *header) {
    if (header[3] != of->sequence) return false;
    of->sequence = (of->sequence + 1) & 0xFF;
    of->left = header[0] | header[1] << 8 | (size_t)header[2] << 16;
    of->goes_on = of->left == MOST_PAYLOAD;
    return true;
}

EXPORT size_t tableferry_feed(splitter *of, const uint8_t *data, size_t size) {
    size_t at = 0;
    while (of->status == MORE && at < size) {
        if (!of->in_packet) {
            if (!of->in_header && !of->row.used && size - at >= HEADER) { /* as a rule a packet is here whole */
                size_t length = data[at] | data[at + 1] << 8 | (size_t)data[at + 2] << 16;
                if (length != MOST_PAYLOAD && size - at - HEADER >= length) {
                    if (!begin_packet(of, data + at)) {
                        of->status = OUT_OF_ORDER;
                        break;
                    }
                    of->status = add_payload(of, data + at + HEADER, length);
                    at += HEADER + length;
                    continue;
                }
            }
            while (of->in_header < HEADER && at < size) of->header[of->in_header++] = data[at++];
            if (of->in_header < HEADER) break;
            of->in_header = 0;
            if (!begin_packet(of, of->header)) {
                of->status = OUT_OF_ORDER;
                break;
            }
            of->in_packet = true;
        }
        size_t here = size - at < of->left ? size - at : of->left;
        if (!append(&of->row, data + at, here)) {
            of->status = NO_MEMORY;
            break;
        }
        at += here;
        if (of->left -= here) break;
        of->in_packet = false;
        if (of->goes_on) continue;
        of->status = add_payload(of, of->row.data, of->row.used);
        of->row.used = 0;
        if (of->row.room > LONG_KEPT && of->status != REFUSED) drop(&of->row);
    }
    return at;
}

/* ---------------------------------------------------------------- the columns, handed over */

struct ArrowArray { /* the C data interface's own */
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#define KEPT 3

typedef struct {
    const void *buffers[KEPT + 1];
    bytes kept[KEPT];
    int64_t viewed; /* bytes that views point into */
} owned;

static void release(struct ArrowArray *array) {
    owned *held = array->private_data;
    for (int i = 0; i < KEPT; i++) drop(&held->kept[i]);
    free(held);
    array->release = NULL;
}

/* Memory for as much as there was the last time, and some more, so that it need not be copied while it grows. */
static bool begin_again(bytes *of, size_t used) {
    *of = (bytes){0};
    return reserve(of, used + used / 8);
}

static status take_column(column *of, int64_t rows, struct ArrowArray *into, int32_t *as_text) {
    owned *held = calloc(1, sizeof *held);
    if (!held || !reserve(&of->values, 1) || !reserve(&of->views, 1)) return free(held), NO_MEMORY;
    bool views = has_views(of);
    size_t in_values = of->values.used, in_views = of->views.used;
    held->kept[0] = of->validity;
    held->kept[1] = views ? of->views : of->values;
    held->kept[2] = views ? of->values : of->views;
    for (int i = 0; i < KEPT; i++) held->buffers[i] = held->kept[i].data;
    held->viewed = in_values;
    held->buffers[KEPT] = &held->viewed;
    *as_text = of->as_text;
    *into = (struct ArrowArray){
        .length = rows,
        .null_count = of->nulls,
        .n_buffers = views ? KEPT + 1 : 2,
        .buffers = held->buffers,
        .release = release,
        .private_data = held,
    };
    of->validity = (bytes){0};
    of->nulls = 0;
    of->as_text = false;
    return begin_again(&of->values, in_values) && begin_again(&of->views, in_views) ? MORE : NO_MEMORY;
}

static void take_digest(splitter *of) {
    if (of->rows_digest.waiting) hash_waiting(&of->rows_digest);
    of->digest[0] = of->rows_digest.sum;
    of->digest[1] = of->rows_digest.sum >> 64;
    of->rows_digest.sum = 0;
    of->rows = of->size = 0;
    if (of->status == FULL) of->status = MORE;
}

/* The columns, one array for each, and the digest. */
EXPORT int32_t tableferry_take(splitter *of, struct ArrowArray *into, int32_t *as_text) {
    for (int32_t i = 0; i < of->width; i++) {
        status done = take_column(&of->columns[i], of->rows, &into[i], &as_text[i]);
        if (done != MORE) return of->status = done;
    }
    take_digest(of);
    return MORE;
}

/* The digest, and the lines, to be freed with `tableferry_free`; without data if none are made. */
EXPORT void tableferry_take_lines(splitter *of, bytes *made) {
    size_t size = of->lines.used;
    *made = of->lines;
    take_digest(of);
    if (of->output == LINES && !(begin_again(&of->lines, size) && append(&of->lines, of->first_line.data, of->first_line.used)))
        of->status = NO_MEMORY;
}

EXPORT void tableferry_close(splitter *of) {
    for (int32_t i = 0; i < of->width; i++) {
        drop(&of->columns[i].values);
        drop(&of->columns[i].views);
        drop(&of->columns[i].validity);
    }
    drop(&of->first_line);
    drop(&of->lines);
    drop(&of->row);
    drop(&of->rows_digest.text);
    free(of);
}

/* `first_line` is what each text of lines begins with; rows are hashed with a key of at most 64 bytes, or with none. */
EXPORT splitter *tableferry_open(const description *columns, int32_t width, int64_t most_size, int64_t most_rows,
                                 uint32_t sequence, int32_t into, const uint8_t *first_line, size_t first_size,
                                 const uint8_t *key, size_t key_size) {
    if (key_size > MOST_OF_KEY) return NULL;
    splitter *made = calloc(1, sizeof *made + width * sizeof made->columns[0]);
    if (!made) return NULL;
    made->most_size = most_size < MOST_TOGETHER ? most_size : MOST_TOGETHER;
    made->most_rows = most_rows;
    made->sequence = sequence;
    made->width = width;
    made->output = (output)into;
    made->rows_digest.from = start_of(key, key_size);
    for (int32_t i = 0; i < width; i++) made->columns[i].is = columns[i], made->columns[i].kept = into == COLUMNS;
    if (append(&made->first_line, first_line, first_size) && append(&made->lines, first_line, first_size)) return made;
    tableferry_close(made);
    return NULL;
}

/* The sum of the hashes of an array's rows, which are binary views without NULLs; 0 if there is no memory. With a key, none
 * of them is empty. */
EXPORT int32_t tableferry_hash(const struct ArrowArray *rows, const uint8_t *key, size_t key_size, uint64_t *digest) {
    if (key_size > MOST_OF_KEY) return 0;
    const uint8_t *views = (const uint8_t *)rows->buffers[1] + 16 * rows->offset;
    digester of = {.from = start_of(key, key_size)};
    for (int64_t row = 0; row < rows->length; row++, views += 16) {
        uint32_t size, buffer, offset;
        const uint8_t *text = views + 4; /* up to 12 bytes are in the view itself */
        memcpy(&size, views, 4);
        if (size > 12) {
            memcpy(&buffer, views + 8, 4);
            memcpy(&offset, views + 12, 4);
            text = (const uint8_t *)rows->buffers[2 + buffer] + offset;
        }
        uint8_t *to = begin_row(&of, size);
        if (!to) return drop(&of.text), 0;
        memcpy(to, text, size);
        end_row(&of, to + size);
    }
    if (of.waiting) hash_waiting(&of);
    drop(&of.text);
    digest[0] = of.sum;
    digest[1] = of.sum >> 64;
    return 1;
}

/* ---------------------------------------------------------------- columns as the text that LOAD DATA reads */

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

#define MOST_OF_NUMBER 48 /* and a separator */

/* A field of text or bytes; false if there is no memory. */
static bool add_field(bytes *text, const struct ArrowArray *of, int64_t row, kind is, bool hex) {
    const uint8_t *view = (const uint8_t *)of->buffers[1] + 16 * (of->offset + row), *from = view + 4;
    uint32_t size, buffer, offset;
    memcpy(&size, view, 4);
    if (size > 12) {
        memcpy(&buffer, view + 8, 4);
        memcpy(&offset, view + 12, 4);
        from = (const uint8_t *)of->buffers[2 + buffer] + offset;
    }
    if (!reserve(text, 2 * (size_t)size + 3)) return false;
    uint8_t *to = text->data + text->used;
    if (is == BYTES && hex) {
        *to++ = '"';
        to = hexadecimal(to, from, size);
        *to++ = '"';
    } else if (is == FLOAT) { /* a number that is text already */
        memcpy(to, from, size);
        to += size;
    } else to = quoted_text(to, from, size);
    text->used = to - text->data;
    return true;
}

/* Rows as text: `,` between fields, `"` around text and bytes, and NULL as the word; or, behind a first line, as CSV: NULL
 * as nothing, and bytes as hexadecimal digits. To be freed with `tableferry_free`; without data if there is no memory.
 * Floats come as text, in a column of kind FLOAT. */
EXPORT void tableferry_encode(const struct ArrowArray *const *columns, const description *are, int32_t width,
                              const uint8_t *first_line, size_t first_size, bytes *made) {
    bool csv = first_size > 0;
    bytes text = {0};
    *made = text;
    if (!append(&text, first_line, first_size)) return;
    for (int64_t row = 0; row < columns[0]->length; row++) {
        for (int32_t i = 0; i < width; i++) {
            const struct ArrowArray *of = columns[i];
            int64_t at = of->offset + row;
            const uint8_t *valid = of->buffers[0], *values = of->buffers[1];
            if (!reserve(&text, MOST_OF_NUMBER)) return drop(&text);
            uint8_t *to = text.data + text.used;
            if (valid && !(valid[at / 8] >> at % 8 & 1)) {
                if (!csv) memcpy(to, "NULL", 4), text.used += 4;
            } else {
                int32_t size = are[i].width;
                moment date;
                switch ((kind)are[i].kind) {
                case SIGNED: to = integer_text(to, values + at * size, size, true); break;
                case UNSIGNED: to = integer_text(to, values + at * size, size, false); break;
                case DECIMAL: to = decimal_text(to, values + at * size, are[i].scale); break;
                case DATE: date = day_of(((const int32_t *)values)[at]), to = day_text(to, &date); break;
                case DATETIME:
                    date = moment_of(((const int64_t *)values)[at]);
                    to = moment_text(to, &date, are[i].scale);
                    break;
                case FLOAT:
                case TEXT:
                case BYTES:
                    if (!add_field(&text, of, row, (kind)are[i].kind, csv)) return drop(&text);
                    to = text.data + text.used;
                    break;
                }
                text.used = to - text.data;
            }
            if (!reserve(&text, 1)) return drop(&text);
            text.data[text.used++] = i + 1 < width ? ',' : '\n';
        }
    }
    *made = text;
}

EXPORT void tableferry_free(bytes *made) { drop(made); }

EXPORT uint32_t tableferry_native_version(void) { return VERSION; }
