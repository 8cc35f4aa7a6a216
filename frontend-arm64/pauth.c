/* Pointer authentication (Arm ARM D8.10): codes in bits 54 to 48, below the tag that Linux leaves programs, and in the
 * upper half of the addresses, where it leaves none, also in bits 63 to 56. */
#include <xemu/features.h>
#include <xemu/log.h>
#include <xemu/mem.h>
#include <xemu/pauth.h>

#include <stdatomic.h>
#include <sys/random.h>

static const uint64_t CODE_LOWER = 0x007full << 48, CODE_UPPER = 0xff7full << 48;

/* The process's keys, two words each, in the order of enum pauth_key. */
static uint64_t keys[PAUTH_KEYS][2];
static atomic_bool made;

void pauth_new_keys(unsigned which)
{
    if (!atomic_load_explicit(&made, memory_order_acquire))
        which = (1u << PAUTH_KEYS) - 1;
    for (unsigned i = 0; i < PAUTH_KEYS; i++)
        if (which >> i & 1 && getrandom(keys[i], sizeof keys[i], 0) != sizeof keys[i])
            panic("no random numbers for keys");
    atomic_store_explicit(&made, true, memory_order_release);
}

static uint64_t mixed(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* [ComputePAC]. Where --cpu doesn't name an algorithm of the manual, it is two folded multiplications, whose odd
 * constants are fractions of the golden ratio and of the square root of two. */
static uint64_t compute(uint64_t pointer, uint64_t modifier, enum pauth_key key)
{
    if (!atomic_load_explicit(&made, memory_order_acquire))
        pauth_new_keys((1u << PAUTH_KEYS) - 1);
    if (feature_on[FEAT_PACQARMA5] || feature_on[FEAT_PACQARMA3])
        return pauth_qarma(feature_on[FEAT_PACQARMA5] ? PAUTH_QARMA5 : PAUTH_QARMA3, pointer, modifier, keys[key][1],
                           keys[key][0]);
    uint64_t first = mixed(pointer ^ keys[key][0], 0x9e3779b97f4a7c15);
    return mixed(first ^ modifier ^ keys[key][1], 0x6a09e667f3bcc909);
}

static uint64_t code_bits(uint64_t pointer) { return pointer >> 55 & 1 ? CODE_UPPER : CODE_LOWER; }

/* The pointer as it was: all of the code equal to bit 55. */
static uint64_t canonical(uint64_t pointer)
{
    return pointer >> 55 & 1 ? pointer | CODE_UPPER : pointer & ~CODE_LOWER;
}

/* [AddPAC] with FEAT_PAuth2: the code is added by exclusive or. */
uint64_t pauth_sign(uint64_t pointer, uint64_t modifier, enum pauth_key key)
{
    return pointer ^ (compute(canonical(pointer), modifier, key) & code_bits(pointer));
}

/* [Auth]: a wrong code stays behind as an address that no access may use, or with FEAT_FPAC is an exception. */
uint64_t pauth_authenticate(struct cpu *cpu, uint64_t pointer, uint64_t modifier, enum pauth_key key)
{
    uint64_t result = pointer ^ (compute(canonical(pointer), modifier, key) & code_bits(pointer));
    if (result != canonical(result) && feature_on[FEAT_FPAC])
        fault_raise(cpu, SIGILL, ILL_ILLOPN, cpu->pc);
    return result;
}

uint64_t pauth_generic(uint64_t value, uint64_t modifier)
{
    return compute(value, modifier, PAUTH_GA) & ~0xffffffffull;
}
