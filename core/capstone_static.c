/* xemu-static has capstone linked in. */
#include <xemu/trace.h>

#include <capstone/capstone.h>

bool capstone_open(struct capstone *capstone, bool host)
{
    cs_arch arch = host ? CS_ARCH_X86 : CS_ARCH_ARM64;
    cs_mode mode = host ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN;
    *(void **)&capstone->disasm = cs_disasm;
    *(void **)&capstone->free = cs_free;
    return cs_open(arch, mode, &capstone->handle) == CS_ERR_OK;
}
