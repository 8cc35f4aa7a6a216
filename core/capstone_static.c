/* xemu-static has capstone linked in, for two architectures. */
#include <xemu/trace.h>

#include <capstone/capstone.h>

/* Instead of capstone's own functions for the other ones. The tables behind those are full of addresses,
 * which every process would have to relocate when it starts: 1.4 MB, half of the time that a small program
 * takes. */
#define ABSENT(architecture)                                                              \
    cs_err architecture##_global_init(void *handle);                                      \
    cs_err architecture##_option(void *handle, cs_opt_type type, size_t value);           \
    cs_err architecture##_global_init(void *handle) { return (void)handle, CS_ERR_ARCH; } \
    cs_err architecture##_option(void *handle, cs_opt_type type, size_t value)            \
    {                                                                                     \
        return (void)handle, (void)type, (void)value, CS_ERR_ARCH;                        \
    }
ABSENT(ARM)
ABSENT(EVM)
ABSENT(M680X)
ABSENT(M68K)
ABSENT(Mips)
ABSENT(PPC)
ABSENT(Sparc)
ABSENT(SystemZ)
ABSENT(TMS320C64x)
ABSENT(XCore)

bool capstone_open(struct capstone *capstone, bool host)
{
    cs_arch arch = host ? CS_ARCH_X86 : CS_ARCH_ARM64;
    cs_mode mode = host ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN;
    *(void **)&capstone->disasm = cs_disasm;
    *(void **)&capstone->free = cs_free;
    return cs_open(arch, mode, &capstone->handle) == CS_ERR_OK;
}
