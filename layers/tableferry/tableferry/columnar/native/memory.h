/* Bytes that grow. A buffer that is all zeros is empty; nothing else is initialised.
 *
 * Memory: the room doubles, so at most twice what is used, and while it grows three times, where the allocator has to copy.
 * Threads: a buffer is one thread's at a time; who drops it need not be who filled it.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "interface.h"

/* Memory of columns that have been written, kept for the next ones: fresh pages took a twentieth of a backup's processor
 * time. Shared by all threads, as one fills a column and another one gives it back. */
#define MOST_SPARE 32
#define SPARE_BYTES (32 * 1024 * 1024) /* at most, of all together */
#define SPARE_FROM (64 * 1024)

static struct {
    atomic_flag taken;
    int count;
    size_t room;
    Buffer each[MOST_SPARE];
} spare = {.taken = ATOMIC_FLAG_INIT};

static void begin_with_spare(void) {
    while (atomic_flag_test_and_set_explicit(&spare.taken, memory_order_acquire)) {}
}

static void end_with_spare(void) { atomic_flag_clear_explicit(&spare.taken, memory_order_release); }

/* The smallest with room for so much; without data if there is none. */
static Buffer spared(size_t room) {
    Buffer found = {0};
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

static void drop(Buffer *buffer) {
    uint8_t *data = buffer->data;
    if (buffer->room >= SPARE_FROM && buffer->room <= SPARE_BYTES) {
        begin_with_spare();
        if (spare.count < MOST_SPARE && spare.room + buffer->room <= SPARE_BYTES) {
            spare.each[spare.count++] = *buffer;
            spare.room += buffer->room;
            data = NULL;
        }
        end_with_spare();
    }
    free(data);
    *buffer = (Buffer){0};
}

static bool reserve(Buffer *buffer, size_t more) {
    if (buffer->room - buffer->used >= more) return true;
    size_t room = buffer->room ? buffer->room : 4096;
    while (room - buffer->used < more) {
        if (room > SIZE_MAX / 2) return false;
        room *= 2;
    }
    Buffer wider = spared(room);
    if (wider.data) {
        if (buffer->used) memcpy(wider.data, buffer->data, buffer->used);
        wider.used = buffer->used;
        drop(buffer);
        *buffer = wider;
        return true;
    }
    uint8_t *data = realloc(buffer->data, room);
    if (!data) return false;
    buffer->data = data;
    buffer->room = room;
    return true;
}

static bool append(Buffer *to, const void *data, size_t size) {
    if (!reserve(to, size)) return false;
    if (size) memcpy(to->data + to->used, data, size);
    to->used += size;
    return true;
}

#endif
