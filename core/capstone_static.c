/* xemu-static has capstone linked in. */
#include <xemu/trace.h>

#include <capstone/capstone.h>

bool capstone_open(struct capstone *capstone)
{
    *(void **)&capstone->disasm = cs_disasm;
    *(void **)&capstone->free = cs_free;
    return cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &capstone->handle) == CS_ERR_OK;
}
