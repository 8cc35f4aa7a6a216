/* The notes of a core file: what its threads and its process were. Layouts: fs/binfmt_elf.c and
 * uapi/linux/elfcore.h of the kernel. */
#include "coredump.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <xemu/fault.h>
#include <xemu/fp.h>

#include "proc.h"
#include "regset.h"
#include "task.h"

enum { PAGE = 4096, PRPSINFO_ARGS = 80 };

struct arm64_prstatus {
    int32_t signo, code, error;
    int16_t cursig;
    uint64_t sigpend, sighold;
    int32_t pid, ppid, pgrp, sid;
    struct timeval utime, stime, cutime, cstime;
    struct arm64_pt_regs regs;
    int32_t fpvalid;
};
struct arm64_prpsinfo {
    char state, sname, zombie, nice;
    uint64_t flags;
    uint32_t uid, gid;
    int32_t pid, ppid, pgrp, sid;
    char fname[16], args[PRPSINFO_ARGS];
};
_Static_assert(sizeof(struct arm64_prstatus) == 392 && sizeof(struct arm64_prpsinfo) == 136,
               "linux/elfcore.h");

static void add_padding(struct text *out)
{
    static const char zeros[4];
    text_add_bytes(out, zeros, -out->length & 3);
}

static void add_note(struct text *out, const char *owner, uint32_t type, const void *content, size_t size)
{
    size_t name = strlen(owner) + 1;
    Elf64_Nhdr head = {(uint32_t)name, (uint32_t)size, type};
    text_add_bytes(out, &head, sizeof head);
    text_add_bytes(out, owner, name);
    add_padding(out);
    text_add_bytes(out, content, size);
    add_padding(out);
}

/* ---- about threads ---- */

/* What /proc says of a thread, as it is at this moment. */
struct thread_facts {
    struct timeval user, system;
    uint64_t pending;
    bool in_call; /* sleeps in a system call */
};

static size_t read_thread_file(int tid, const char *name, char *buffer, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, buffer, size - 1);
    if (fd >= 0)
        close(fd);
    buffer[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

static struct timeval from_ticks(uint64_t ticks)
{
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    return (struct timeval){(time_t)(ticks / hz), (suseconds_t)(ticks % hz * 1000000 / hz)};
}

static struct thread_facts facts_of(const struct task *task)
{
    char text[4096];
    uint64_t user = 0, system = 0;
    struct thread_facts facts = {0};
    read_thread_file(task->tid, "stat", text, sizeof text);
    const char *behind = strrchr(text, ')');
    if (behind) /* fields 14 and 15 */
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &system);
    facts.user = from_ticks(user);
    facts.system = from_ticks(system);
    read_thread_file(task->tid, "status", text, sizeof text);
    const char *pending = strstr(text, "\nSigPnd:");
    facts.pending = (pending ? strtoull(pending + 8, NULL, 16) : 0) | signal_sync_pending(task);
    facts.in_call =
        !task->parked && read_thread_file(task->tid, "syscall", text, sizeof text) && text[0] != 'r';
    return facts;
}

static void add_prstatus(struct text *out, const struct task *task, const struct thread_facts *facts,
                         const union regset *set, const siginfo_t *info)
{
    struct arm64_prstatus status = {
        .signo = info->si_signo,
        .code = info->si_code,
        .error = info->si_errno,
        .cursig = (int16_t)info->si_signo,
        .sigpend = facts->pending,
        .sighold = task->sigmask,
        .pid = task->tid,
        .ppid = getppid(),
        .pgrp = getpgrp(),
        .sid = getsid(0),
        .utime = facts->user,
        .stime = facts->system,
        .regs = set->general,
        .fpvalid = 1,
    };
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    status.cutime = children.ru_utime;
    status.cstime = children.ru_stime;
    add_note(out, "CORE", NT_PRSTATUS, &status, sizeof status);
}

static void add_sets(struct text *out, const struct cpu *cpu, const struct traced *view)
{
    static const uint32_t types[] = {NT_ARM_TLS, NT_ARM_HW_BREAK, NT_ARM_HW_WATCH, NT_ARM_SYSTEM_CALL,
                                     NT_ARM_PAC_MASK};
    union regset set;
    size_t size = regset_get(NT_FPREGSET, cpu, view, &set);
    add_note(out, "CORE", NT_FPREGSET, &set, size);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size = regset_get(types[i], cpu, view, &set);
        if (size)
            add_note(out, "LINUX", types[i], &set, size);
    }
}

/* ---- about the process ---- */

static void add_prpsinfo(struct text *out)
{
    struct arm64_prpsinfo process = {
        .sname = 'R',
        .nice = (char)getpriority(PRIO_PROCESS, 0),
        .uid = getuid(),
        .gid = getgid(),
        .pid = getpid(),
        .ppid = getppid(),
        .pgrp = getpgrp(),
        .sid = getsid(0),
    };
    char text[1024];
    read_thread_file(getpid(), "stat", text, sizeof text);
    const char *behind = strrchr(text, ')');
    if (behind) /* field 9 */
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %" SCNu64, &process.flags);
    size_t length = read_thread_file(getpid(), "comm", text, sizeof text);
    memcpy(process.fname, text, length > 15 ? 15 : length ? length - 1 : 0);
    size_t args = guest_image.arg_end - guest_image.arg_start;
    if (args > PRPSINFO_ARGS - 1)
        args = PRPSINFO_ARGS - 1;
    guest_copy_in(process.args, guest_image.arg_start, args);
    for (size_t i = 0; i < args; i++) {
        if (!process.args[i])
            process.args[i] = ' ';
    }
    add_note(out, "CORE", NT_PRPSINFO, &process, sizeof process);
}

struct file_list {
    struct text rows, names;
    uint64_t count;
};

static void list_file(const struct mapping *map, void *arg)
{
    struct file_list *files = arg;
    if (map->name[0] != '/')
        return;
    uint64_t row[3] = {map->start, map->end, map->offset / PAGE};
    text_add_bytes(&files->rows, row, sizeof row);
    text_add_bytes(&files->names, map->name, strlen(map->name) + 1);
    files->count++;
}

static void add_files(struct text *out)
{
    struct file_list files = {0};
    struct text content = {0};
    maps_visit(PROC_MAPS, list_file, &files);
    uint64_t head[2] = {files.count, PAGE};
    text_add_bytes(&content, head, sizeof head);
    text_add_bytes(&content, files.rows.at, files.rows.length);
    text_add_bytes(&content, files.names.at, files.names.length);
    if (!content.error && !files.rows.error && !files.names.error)
        add_note(out, "CORE", NT_FILE, content.at, content.length);
    free(files.rows.at);
    free(files.names.at);
    free(content.at);
}

static void add_process(struct text *out, const siginfo_t *info)
{
    char auxv[1024];
    size_t size = guest_image.auxv_size < sizeof auxv ? guest_image.auxv_size : sizeof auxv;
    add_prpsinfo(out);
    add_note(out, "CORE", NT_SIGINFO, info, sizeof *info);
    if (!guest_copy_in(auxv, guest_image.auxv, size))
        add_note(out, "CORE", NT_AUXV, auxv, size);
    add_files(out);
}

/* ---- all ---- */

/* The notes about the process are among those of the thread that dies. */
static void add_thread(struct text *out, const struct task *task, const siginfo_t *info, bool dying)
{
    struct thread_facts facts = facts_of(task);
    bool in_call = !dying && facts.in_call;
    struct traced view = {.fpsr = fp_get_fpsr(task->cpu), .fpcr = task->cpu->fpcr, .call = in_call};
    union regset set;
    regset_get(NT_PRSTATUS, task->cpu, &view, &set);
    if (in_call)
        set.general.pc += 4; /* the kernel's is behind the SVC */
    add_prstatus(out, task, &facts, &set, info);
    if (dying)
        add_process(out, info);
    add_sets(out, task->cpu, &view);
}

void core_notes(struct text *out, const struct task *dying, const struct task *threads, const siginfo_t *info)
{
    add_thread(out, dying, info, true);
    for (const struct task *task = threads; task; task = task->next) {
        if (task != dying && task->tid)
            add_thread(out, task, info, false);
    }
}
