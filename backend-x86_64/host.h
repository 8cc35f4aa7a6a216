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

/* Guest registers that live in general registers; 31 is SP. Arguments and results, callee-saved registers, SP: what
 * compiled programs use most. And the frame record: what each call saves and each return loads again is a chain through
 * memory otherwise. The last ones are lent where an operation needs more temporaries than there are. Most may be lent for
 * longer, as many as fault_site.lent has bits; the frame record is to be found at any time. */
#define EACH_PIN(PIN) \
    PIN(0, RBX) PIN(1, R8) PIN(2, R9) PIN(3, R10) PIN(4, R11) PIN(19, R12) PIN(20, R13) PIN(21, R14) PIN(31, R15) \
    PIN(30, RDI) PIN(29, RSI)

struct pin {
    uint8_t guest, host;
};
enum { PINS = 11, LENDABLE = 6, LOANABLE = 8, TEMPS = 3 };
extern const struct pin pins[PINS];
extern const uint8_t x_pin[32]; /* by guest register; 0, a temporary's number, is none */
extern const uint8_t temps[TEMPS];
/* All but x0 and the frame record. */
static inline struct pin loanable(unsigned n) { return pins[n + 1]; }

static inline int pin_of(unsigned guest) { return x_pin[guest] ? x_pin[guest] : -1; }

#endif
