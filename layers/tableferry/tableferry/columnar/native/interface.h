/* What both sides know: the numbers and structures that the Python side writes down once more.
 *
 * A change of anything in here, or of what an exported function takes, is a new VERSION. A test compiles this header and
 * compares each structure, field by field, and each enumeration, name by name, with what Python has.
 */
#ifndef INTERFACE_H
#define INTERFACE_H

#include <stddef.h>
#include <stdint.h>

#define VERSION 8

/* Bytes that grow: `used` of them are set, of `room` that are allocated. */
typedef struct {
    uint8_t *data;
    size_t used, room;
} Buffer;

/* What a column holds. */
typedef enum { SIGNED = 'i', UNSIGNED = 'u', DECIMAL = 'd', FLOAT = 'f', DATE = 'D', DATETIME = 'T', TEXT = 't', BYTES = 'b' } Held;

/* How the server says that it sends a value, by its own names; every type that is not here comes as a string.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html */
typedef enum {
    TYPE_TINY = 1,
    TYPE_SHORT = 2,
    TYPE_LONG = 3,
    TYPE_FLOAT = 4,
    TYPE_DOUBLE = 5,
    TYPE_TIMESTAMP = 7,
    TYPE_LONGLONG = 8,
    TYPE_INT24 = 9,
    TYPE_DATE = 10,
    TYPE_TIME = 11,
    TYPE_DATETIME = 12,
    TYPE_YEAR = 13,
} ServerType;

typedef struct {
    int32_t held, width, precision, scale; /* what the column is to hold; width: bytes of a number */
    int32_t type, is_unsigned, places;     /* how the server sends it */
} Description;

/* What became of a value, a row or the packets. */
typedef enum { MORE, FULL, ENDED, REFUSED, MALFORMED, OUT_OF_ORDER, NO_VALUE, NO_TEXT, NO_MEMORY } Status;

/* What rows become, besides their digest. */
typedef enum { FRAME, LINES, NOTHING } Into;

/* What stands at the beginning of a splitter, for Python to read between two calls. */
typedef struct {
    int32_t status, column;
    int64_t rows, size; /* of what waits to be taken; size in bytes of packets */
    uint64_t digest[2]; /* the low half first */
    uint32_t sequence, message_size;
    const uint8_t *message; /* the server's error, in the bytes that were fed last */
} Head;

/* https://arrow.apache.org/docs/format/CDataInterface.html */
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif
