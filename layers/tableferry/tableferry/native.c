/* The package's native library: plain C99, which knows nothing of Python. `native.py` loads it, where there is one.
 *
 * EXPORT marks what can be called from outside, and nothing else can. */
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* The version of these functions' arguments and results; `native.py` uses no library of another. */
EXPORT uint32_t tableferry_native_version(void);

EXPORT uint32_t tableferry_native_version(void) { return 1; }
