/* xemu finds capstone at run time: it costs nothing when no disassembly is asked for. */
#include <xemu/trace.h>

#include <capstone/capstone.h>
#include <dlfcn.h>

bool capstone_open(struct capstone *capstone, bool host)
{
    cs_arch arch = host ? CS_ARCH_X86 : CS_ARCH_ARM64;
    cs_mode mode = host ? CS_MODE_64 : CS_MODE_LITTLE_ENDIAN;
    void *library = dlopen("libcapstone.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    cs_err (*open)(cs_arch, cs_mode, csh *) = (cs_err(*)(cs_arch, cs_mode, csh *))dlsym(library, "cs_open");
    *(void **)&capstone->disasm = dlsym(library, "cs_disasm");
    *(void **)&capstone->free = dlsym(library, "cs_free");
    return open && capstone->disasm && capstone->free &&
           open(arch, mode, &capstone->handle) == CS_ERR_OK;
}
