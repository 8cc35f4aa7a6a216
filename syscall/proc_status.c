/* /proc/self/stat and status: the host's, but for what xemu keeps for the guest: addresses, signals, seccomp.
 */
#include "proc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "task.h"

static void read_host_file(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, buffer, size - 1);
    if (fd >= 0)
        close(fd);
    buffer[length > 0 ? length : 0] = '\0';
}

/* What the guest's kernel knows of a thread. */
struct facts {
    uint64_t blocked, ignored, caught;
    int mode;         /* SECCOMP_MODE_ */
    unsigned filters; /* of system calls */
};

/* False: it isn't one of the guest's threads. */
static bool facts_of(int tid, struct facts *facts)
{
    struct task *task = threads_lock();
    while (task && task->tid != tid)
        task = task->next;
    if (task) {
        *facts = (struct facts){
            .blocked = task->sigmask, .mode = task->seccomp.mode, .filters = seccomp_count(task)};
        pthread_mutex_lock(&task->sighand->lock);
        for (int signo = 1; signo <= NSIG64; signo++) {
            uint64_t handler = task->sighand->action[signo].handler;
            facts->ignored |= handler == (uint64_t)SIG_IGN ? SIGBIT(signo) : 0;
            facts->caught |= handler > (uint64_t)SIG_IGN ? SIGBIT(signo) : 0;
        }
        pthread_mutex_unlock(&task->sighand->lock);
    }
    threads_unlock();
    return task != NULL;
}

/* ---- stat ---- */

/* The fields that differ (proc(5)); the others are the host's. */
static uint64_t stat_field(int number, const struct facts *facts, uint64_t host)
{
    switch (number) {
    case 26:
        return guest_image.start_code;
    case 27:
        return guest_image.end_code;
    case 28:
        return guest_image.sp;
    case 29: /* kstkesp, kstkeip: zero as in a live process */
    case 30:
        return 0;
    case 32: /* signals: those of the first 31 that the kernel shows here */
        return facts->blocked & 0x7fffffff;
    case 33:
        return facts->ignored & 0x7fffffff;
    case 34:
        return facts->caught & 0x7fffffff;
    case 45:
        return guest_image.start_data;
    case 46:
        return guest_image.end_data;
    case 47:
        return guest_image.brk_start;
    case 48:
        return guest_image.arg_start;
    case 49:
        return guest_image.arg_end;
    case 50:
        return guest_image.env_start;
    case 51:
        return guest_image.env_end;
    default:
        return host;
    }
}

static bool stat_field_differs(int number)
{
    return number >= 26 && number <= 51 && (number <= 30 || (number >= 32 && number <= 34) || number >= 45);
}

void proc_stat(struct text *text, const char *path)
{
    char host[2048], *rest;
    struct facts facts;
    read_host_file(path, host, sizeof host);
    char *field = strrchr(host, ')'); /* the second field may contain anything */
    if (!field || !facts_of(atoi(host), &facts)) {
        text_add(text, "%s", host);
        return;
    }
    text_add_bytes(text, host, (size_t)(field + 1 - host));
    int number = 3;
    for (field = strtok_r(field + 1, " \n", &rest); field; field = strtok_r(NULL, " \n", &rest), number++) {
        if (stat_field_differs(number))
            text_add(text, " %" PRIu64, stat_field(number, &facts, strtoul(field, NULL, 10)));
        else
            text_add(text, " %s", field);
    }
    text_add(text, "\n");
}

/* ---- status ---- */

static void add_row(struct text *text, const char *row, const struct facts *facts)
{
    unsigned host_mode = 0, host_filters = 0;
    sscanf(row, "Seccomp: %u", &host_mode);
    sscanf(row, "Seccomp_filters: %u", &host_filters);
    if (!strncmp(row, "SigBlk:", 7))
        text_add(text, "SigBlk:\t%016" PRIx64 "\n", facts->blocked);
    else if (!strncmp(row, "SigIgn:", 7))
        text_add(text, "SigIgn:\t%016" PRIx64 "\n", facts->ignored);
    else if (!strncmp(row, "SigCgt:", 7))
        text_add(text, "SigCgt:\t%016" PRIx64 "\n", facts->caught);
    else if (!strncmp(row, "Seccomp:", 8))
        text_add(text, "Seccomp:\t%u\n", facts->mode ? (unsigned)facts->mode : host_mode);
    else if (!strncmp(row, "Seccomp_filters:", 16)) /* those that xemu is under count as on any machine */
        text_add(text, "Seccomp_filters:\t%u\n", facts->filters + host_filters);
    else
        text_add_bytes(text, row, strcspn(row, "\n") + 1);
}

void proc_status(struct text *text, const char *path)
{
    char host[8192];
    struct facts facts;
    int tid = 0;
    read_host_file(path, host, sizeof host);
    const char *row = strstr(host, "\nPid:");
    if (!row || sscanf(row, " Pid: %d", &tid) != 1 || !facts_of(tid, &facts)) {
        text_add_bytes(text, host, strlen(host));
        return;
    }
    for (row = host; *row; row = strchr(row, '\n') + 1)
        add_row(text, row, &facts);
}
