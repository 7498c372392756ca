/* BLAKE2b with digests of 16 bytes, of one message or of several at once, with or without a key: RFC 7693.
 *
 * Several at once are hashed in the words of a vector: eight where the processor has AVX-512, else four. What the processor
 * has is looked up when it runs, as one library is made for all of them. Memory: none besides the stack.
 */
#ifndef BLAKE2B_H
#define BLAKE2B_H

#include <stdbool.h>
#include <string.h>

#include "numbers.h"

#ifndef WITHOUT_AVX512 /* for tests, as WITHOUT_AVX is */
#define WITHOUT_AVX512 0
#endif

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
} Message;

/* Where a message's hash starts from: behind the key's block if there is a key, which is compressed once for all messages. */
typedef struct {
    uint64_t h[8];
    uint64_t before; /* bytes that are in it */
} Start;

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
static Start start_of(const uint8_t *key, size_t size) {
    Start made = {.before = size ? BLOCK : 0};
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
        for (int lane = 0; lane < width; lane++) h[i][lane] = messages[lane].h[i];                                           \
    for (uint64_t block = 0; block < count; block++) {                                                                 \
        vector m[16], v[16], counted = {0}, last = {0};                                                                \
        for (int lane = 0; lane < width; lane++) {                                                                     \
            uint64_t end = (block + 1) * BLOCK, size = messages[lane].size;                                                  \
            counted[lane] = before + (end < size ? end : size);                                                        \
            last[lane] = end < size ? 0 : ~(uint64_t)0;                                                                \
        }                                                                                                              \
        for (int i = 0; i < 16; i += width) {                                                                          \
            for (int lane = 0; lane < width; lane++)                                                                   \
                memcpy(&m[i + lane], messages[lane].data + block * BLOCK + 8 * i, sizeof m[0]);                              \
            TURN_##vector((m + i))                                                                                     \
        }                                                                                                              \
        for (int i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = (vector){0} + IV[i];                                       \
        v[12] ^= counted;                                                                                              \
        v[14] ^= last;                                                                                                 \
        ROUNDS;                                                                                                        \
        for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];                                                           \
    }                                                                                                                  \
    for (int i = 0; i < 8; i++)                                                                                        \
        for (int lane = 0; lane < width; lane++) messages[lane].h[i] = h[i][lane]

static void compress_plainly(Message *messages, uint64_t count, uint64_t before) { COMPRESS(four, 4); }

#if defined __x86_64__ && !defined WITHOUT_AVX
__attribute__((target("avx2"))) static void compress_by_avx2(Message *messages, uint64_t count, uint64_t before) { COMPRESS(four, 4); }
/* Twice the words, twice the registers, and instructions that turn them. */
__attribute__((target("avx512f"))) static void compress_by_avx512(Message *messages, uint64_t count, uint64_t before) { COMPRESS(eight, 8); }

static int lanes_here(void) { return __builtin_cpu_supports("avx512f") && !WITHOUT_AVX512 ? 8 : 4; }

static void compress_together(Message *messages, uint64_t count, uint64_t before) {
    if (lanes_here() == 8) compress_by_avx512(messages, count, before);
    else if (__builtin_cpu_supports("avx2")) compress_by_avx2(messages, count, before);
    else compress_plainly(messages, count, before);
}
#else
static int lanes_here(void) { return 4; }
#define compress_together compress_plainly
#endif
/* The sum of the hashes of up to as many messages as there are lanes; there is room for so many in the array. */
static u128 hashed(Message *messages, int used, const Start *from) {
    uint64_t together = 2 * used >= lanes_here() ? UINT64_MAX : 0; /* fewer are done sooner one by one */
    for (int lane = 0; lane < used; lane++) {
        uint64_t count = blocks_of(messages[lane].size);
        if (count < together) together = count;
        memcpy(messages[lane].h, from->h, sizeof from->h);
    }
    for (int lane = used; lane < lanes_here(); lane++) messages[lane] = messages[0]; /* any will do */
    if (together) compress_together(messages, together, from->before);
    u128 sum = 0;
    for (int lane = 0; lane < used; lane++) {
        uint64_t count = blocks_of(messages[lane].size), size = messages[lane].size;
        for (uint64_t block = together; block < count; block++) {
            uint64_t end = (block + 1) * BLOCK;
            compress(messages[lane].h, messages[lane].data + block * BLOCK, from->before + (end < size ? end : size), block + 1 == count);
        }
        sum += (u128)messages[lane].h[1] << 64 | messages[lane].h[0];
    }
    return sum;
}

#endif
