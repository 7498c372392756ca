/* The sum of the rows' hashes, by which tables are compared. What a row's text is, and the sum, `digest.py` defines.
 *
 * Memory: the rows that wait until there are as many as are hashed at once, of at most 8 MiB together, or one longer row.
 */
#ifndef ROW_DIGEST_H
#define ROW_DIGEST_H

#include "blake2b.h"
#include "memory.h"

#define TOGETHER (8 * 1024 * 1024) /* bytes of rows that wait for each other */

typedef struct {
    Buffer text; /* of the rows that wait, each begun at a block's border */
    size_t begins[LANES], sizes[LANES];
    int waiting;
    u128 sum;
    Start from;
} Digester;

static void hash_waiting(Digester *digester) {
    Message rows[LANES];
    for (int lane = 0; lane < digester->waiting; lane++)
        rows[lane] = (Message){.data = digester->text.data + digester->begins[lane], .size = digester->sizes[lane]};
    digester->sum += hashed(rows, digester->waiting, &digester->from);
    digester->waiting = 0;
    digester->text.used = 0;
}

/* Room for a row of at most `most` bytes; NULL if there is no memory. */
static uint8_t *begin_row(Digester *digester, size_t most) {
    if (digester->waiting && digester->text.used + most > TOGETHER) hash_waiting(digester);
    return reserve(&digester->text, most + BLOCK) ? digester->text.data + digester->text.used : NULL;
}

static void end_row(Digester *digester, uint8_t *end) {
    size_t begin = digester->text.used, size = end - (digester->text.data + begin);
    size_t padded = blocks_of(size) * BLOCK;
    memset(end, 0, padded - size);
    digester->begins[digester->waiting] = begin;
    digester->sizes[digester->waiting++] = size;
    digester->text.used += padded;
    if (digester->waiting == lanes_here()) hash_waiting(digester);
    if (!digester->waiting && digester->text.room > 2 * TOGETHER) drop(&digester->text);
}

#endif
