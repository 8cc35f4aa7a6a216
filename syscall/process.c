/* Facts about the process and the machine: uname, prctl, limits; and the start of the guest's kernel. */
#include <xemu/fault.h>
#include <xemu/features.h>
#include <xemu/guestmem.h>
#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/pauth.h>
#include <xemu/sys.h>

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "abi.h"
#include "handlers.h"
#include "inherit.h"
#include "task.h"

struct guest_image guest_image;

int64_t sys_uname(struct cpu *cpu, const uint64_t args[6])
{
    (void)cpu;
    struct utsname names;
    if (uname(&names))
        return -errno;
    strcpy(names.machine, "aarch64");
    if (options.uname_release)
        snprintf(names.release, sizeof names.release, "%s", options.uname_release);
    return guest_copy_out(args[0], &names, sizeof names);
}

const char *sys_guest_path(void) { return guest_image.path; }

bool has_capability(int capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2] = {{0}};
    host_raw(SYS_capget, (uint64_t)&head, (uint64_t)caps, 0, 0);
    return caps[capability / 32].effective >> capability % 32 & 1;
}

/* ---- prctl ---- */

/* Options that act on registers or on the layout of the process, which are xemu's; ARM64's own ones are
 * features that the guest's CPU hasn't got. A kernel without them says EINVAL. All others go to the host. */
static const int refused_options[] = {
    PR_SET_MM,      /* where code, data, brk and arguments are */
    PR_GET_TSC,
    PR_SET_TSC,
    PR_SET_UNALIGN,
    PR_GET_UNALIGN,
    PR_SET_FPEMU,
    PR_GET_FPEMU,
    PR_SET_FPEXC,
    PR_GET_FPEXC,
    PR_SET_ENDIAN,
    PR_GET_ENDIAN,
    PR_SET_FP_MODE,
    PR_GET_FP_MODE,
    PR_SVE_SET_VL,
    PR_SVE_GET_VL,
    PR_SET_TAGGED_ADDR_CTRL,
    PR_GET_TAGGED_ADDR_CTRL,
    59 /* PR_SET_SYSCALL_USER_DISPATCH */,
    60 /* PR_PAC_SET_ENABLED_KEYS */,
    61 /* PR_PAC_GET_ENABLED_KEYS */,
    63 /* PR_SME_SET_VL */,
    64 /* PR_SME_GET_VL */,
    65 /* PR_SET_MDWE: xemu compiles code */,
    66 /* PR_GET_MDWE */,
};

static int64_t set_seccomp(struct cpu *cpu, const uint64_t args[6])
{
    if (args[1] == SECCOMP_MODE_STRICT)
        return seccomp_set_mode(cpu, SECCOMP_SET_MODE_STRICT, 0, 0);
    if (args[1] == SECCOMP_MODE_FILTER)
        return seccomp_set_mode(cpu, SECCOMP_SET_MODE_FILTER, 0, args[2]);
    return -EINVAL;
}

/* The kernel's keys are a thread's, xemu's the process's: return addresses that other threads have signed must stay
 * good, so that only a thread that is alone gets new keys. */
static int64_t reset_keys(const struct cpu *cpu, const uint64_t args[6])
{
    unsigned generic = 1u << PAUTH_GA, addresses = generic - 1, which = (unsigned)args[1];
    if (!feature_on[FEAT_PAuth] || args[1] > (generic | addresses) || args[2] || args[3] || args[4])
        return -EINVAL;
    if ((which & generic) && !feature_on[FEAT_PACG])
        return -EINVAL;
    if (thread_is_last() && !cpu->task->vfork_child)
        pauth_new_keys(which ? which : generic | addresses);
    return 0;
}

int64_t sys_prctl(struct cpu *cpu, const uint64_t args[6])
{
    if ((int)args[0] == PR_GET_SECCOMP)
        return cpu->task->seccomp.mode;
    if ((int)args[0] == PR_SET_SECCOMP)
        return set_seccomp(cpu, args);
    if ((int)args[0] == PR_PAC_RESET_KEYS)
        return reset_keys(cpu, args);
    for (size_t i = 0; i < sizeof refused_options / sizeof *refused_options; i++) {
        if (refused_options[i] == (int)args[0])
            return -EINVAL;
    }
    return host_call(SYS_prctl, args);
}

/* ---- start ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Lets the host's kernel show the guest's command line, environment and auxiliary vector to everybody who
 * looks into /proc/PID: ps, pgrep, killall. Kernels without CONFIG_CHECKPOINT_RESTORE refuse; then only the
 * process itself sees its own (proc.c). */
static void tell_host_kernel(const struct guest_image *image)
{
    uint64_t brk = (uint64_t)sbrk(0); /* xemu's own heap goes on from here */
    struct prctl_mm_map map = {
        .start_code = image->start_code,
        .end_code = image->end_code,
        .start_data = image->start_data,
        .end_data = image->end_data,
        .start_brk = brk,
        .brk = brk,
        .start_stack = image->sp,
        .arg_start = image->arg_start,
        .arg_end = image->arg_end,
        .env_start = image->env_start,
        .env_end = image->env_end,
        .auxv = (__u64 *)(uintptr_t)image->auxv,
        .auxv_size = (__u32)image->auxv_size,
        .exe_fd = (__u32)-1,
    };
    prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

static void *main_altstack(size_t size)
{
    void *stack = own_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (!stack)
        die(1, "no memory for the stack of signal handlers");
    return stack;
}

void sys_init(struct cpu *cpu, const struct guest_image *image)
{
    struct task *task = calloc(1, sizeof *task);
    if (!task || !(task->sighand = sighand_copy(NULL)))
        die(1, "out of memory");
    guest_image = *image;
    task->altstack.flags = SS_DISABLE;
    cpu->task = task;
    task->cpu = cpu;
    threads_child(task);
    this_cpu = cpu;
    prctl(PR_SET_NAME, base_name(image->execfn));
    tell_host_kernel(image);
    guest_brk_init(image->brk_start);
    self_exe_adopt();
    exec_adopt_program();
    signal_thread_init(main_altstack(HOST_ALTSTACK_SIZE), HOST_ALTSTACK_SIZE);
    inherit_take(task, options.inherited);
    signal_init(task);
    tracee_begin_program(cpu);
}
