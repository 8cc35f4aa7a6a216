/* getrandom: the system call, and the vDSO's function of that name, which draws from memory that the C
 * library keeps for each thread. The host's vDSO does the work, on the guest's memory: both architectures
 * share its layout. */
#include <xemu/fault.h>
#include <xemu/sys.h>

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "abi.h"
#include "handlers.h"
#include "host_vdso.h"
#include "task.h"

/* vdso_read() of the kernel's lib/vdso/getrandom.c: bytes, or -errno. */
typedef ssize_t vdso_getrandom(void *buffer, size_t bytes, unsigned flags, void *state, size_t state_bytes);

static vdso_getrandom *host_function(void)
{
    static vdso_getrandom *function;
    static bool looked;
    if (!looked) {
        const void *found = host_vdso_symbol("__vdso_getrandom");
        memcpy(&function, &found, sizeof function);
        looked = true;
    }
    return function;
}

bool sys_has_vdso_getrandom(void) { return host_function() != NULL; }

struct request {
    const uint64_t *args;
    ssize_t result;
};

static void ask_host(void *arg)
{
    struct request *request = arg;
    const uint64_t *args = request->args;
    request->result = host_function()((void *)guest_untag(args[0]), args[1], (unsigned)args[2],
                                      (void *)guest_untag(args[3]), args[4]);
}

int64_t sys_getrandom(struct cpu *cpu, const uint64_t args[6])
{
    struct request request = {args, 0};
    bool from_vdso = cpu->pc - guest_image.vdso < VDSO_SIZE;
    if (!from_vdso || !host_function())
        return host_call(SYS_getrandom, args);
    return guest_try(ask_host, &request) ? -EFAULT : request.result;
}
