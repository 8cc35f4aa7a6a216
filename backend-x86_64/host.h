/* The host CPU, and which guest registers live in which of its registers. */
#ifndef BACKEND_HOST_H
#define BACKEND_HOST_H

#include "emit.h"

#include <xemu/cpu.h>

struct host {
    enum host_level level;
    bool lzcnt, bmi2, aes, pclmul, gfni, sha, bitalg, vnni;
    uint8_t xmm_temps;      /* count, of xmm_temp[] */
    uint8_t xmm_temp[8];
    int8_t v_pin[32];       /* XMM register of each vector register, or -1 */
};

/* Filled by host_init(); constant afterwards. */
extern struct host host;

/* Finds out what the host has, but no more than `limit`. */
void host_init(enum host_level limit);

/* Guest registers that live in general registers; 31 is SP. The last ones are lent where an operation needs more
 * temporaries than there are. Most may be lent for longer; the frame record is to be found at any time. */
struct pin {
    uint8_t guest, host;
};
enum { PINS = 11, LENDABLE = 6, LOANABLE = 8, TEMPS = 3 };
extern const struct pin pins[PINS];
extern const uint8_t temps[TEMPS];
/* All but x0 and the frame record. */
static inline struct pin loanable(unsigned n) { return pins[n + 1]; }

static inline int pin_of(unsigned guest)
{
    for (int i = 0; i < PINS; i++)
        if (pins[i].guest == guest)
            return pins[i].host;
    return -1;
}

#endif
