/* What --report-crash writes when a signal ends the guest, and what xemu writes when it finds a bug of its
 * own. */
#include <xemu/crash.h>
#include "crash.h"

#include <xemu/cpu.h>
#include <xemu/fault.h>
#include <xemu/features.h>
#include <xemu/landing.h>
#include <xemu/fp.h>
#include <xemu/insn.h>
#include <xemu/loader.h>
#include <xemu/log.h>
#include <xemu/sys.h>
#include <xemu/trace.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SHOWN_BEFORE = 5, SHOWN_BEHIND = 4, WRITER_SECONDS = 5 };

/* ---- places ---- */

bool place_find(const char *maps, uint64_t address, struct place *place)
{
    for (const char *line = maps; line && *line; line = strchr(line, '\n') + 1) {
        int name_at = 0;
        if (sscanf(line, "%lx-%lx %*4s %lx %*s %*s %n", &place->start, &place->end, &place->offset,
                   &name_at) < 3 ||
            address < place->start || address >= place->end)
            continue;
        place->line = line;
        place->length = (int)strcspn(line, "\n");
        int name = name_at < place->length ? place->length - name_at : 0;
        snprintf(place->file, sizeof place->file, "%.*s", name, line + name_at);
        return true;
    }
    return false;
}

void print_address(FILE *out, const char *maps, uint64_t address, unsigned behind)
{
    static struct place place;
    static struct elf_symbol symbol;
    if (!place_find(maps, address - behind, &place)) {
        fprintf(out, "nothing is mapped here");
        return;
    }
    uint64_t offset = place.offset + (address - place.start);
    if (place.file[0] != '/')
        fprintf(out, "%s+0x%lx", place.file[0] ? place.file : "memory without a file", address - place.start);
    else if (elf_find_symbol(place.file, offset - behind, &symbol))
        fprintf(out, "%s+0x%lx in %s+0x%lx", symbol.name, symbol.offset + behind, place.file, offset);
    else
        fprintf(out, "%s+0x%lx", place.file, offset);
}

static void print_place(FILE *out, const char *maps, const char *what, uint64_t address)
{
    static struct place place;
    fprintf(out, "  %-8s 0x%012lx  ", what, address);
    if (place_find(maps, address, &place))
        fprintf(out, "%.*s\n", place.length, place.line);
    else
        fprintf(out, "nothing is mapped here\n");
}

/* ---- sections of the report ---- */

static void print_registers(FILE *out, const struct cpu *cpu)
{
    fprintf(out, "registers:\n");
    for (int r = 0; r < 32; r++) {
        char name[16];
        snprintf(name, sizeof name, r == 31 ? "sp" : "x%d", r);
        fprintf(out, "  %-3s %016lx%s", name, cpu->x[r], r % 4 == 3 ? "\n" : "");
    }
    fprintf(out, "  pc  %016lx  nzcv %c%c%c%c  fpcr %08x  fpsr %08x  tpidr %016lx\n", cpu->pc,
            cpu->nzcv & NZCV_N ? 'N' : '-', cpu->nzcv & NZCV_Z ? 'Z' : '-', cpu->nzcv & NZCV_C ? 'C' : '-',
            cpu->nzcv & NZCV_V ? 'V' : '-', cpu->fpcr, fp_get_fpsr(cpu), cpu->tpidr_el0);
}

static void print_code(FILE *out, uint64_t pc)
{
    char text[160];
    fprintf(out, "instructions:\n");
    for (uint64_t at = pc - 4 * SHOWN_BEFORE; at <= pc + 4 * SHOWN_BEHIND; at += 4) {
        uint32_t word;
        if (guest_copy_in(&word, at, sizeof word))
            continue;
        disassemble(word, at, text, sizeof text);
        fprintf(out, "  %c 0x%012lx: %08x  %s\n", at == pc ? '>' : ' ', at, word, text);
    }
}

/* Why the word at pc is no instruction for this CPU, or none for who came there. */
static void print_undefined(FILE *out, const struct cpu *cpu)
{
    uint64_t pc = cpu->pc;
    uint32_t word;
    if (guest_copy_in(&word, pc, sizeof word))
        return;
    enum a64_op op = a64_row_of(word);
    struct a64_insn in;
    a64_decode(word, pc, &in);
    fprintf(out, "  instruction %08x: ", word);
    if (op == A64_UNALLOCATED)
        fprintf(out, "not allocated\n");
    else if (a64_is_todo(op))
        fprintf(out, "%s of %s, which xemu lacks\n", a64_name(op), a64_feature(op));
    else if (!(landing_at(pc) >> landing_kind(cpu) & 1))
        fprintf(out, "%s is nowhere for an indirect branch (BTYPE %u) to come to: the page is guarded (PROT_BTI)\n",
                a64_name(op), landing_kind(cpu));
    else if (in.op != op)
        fprintf(out, "%s needs %s, which this CPU lacks (see --cpu)\n", a64_name(op), a64_feature(op));
    else
        fprintf(out, "%s\n", a64_name(op));
}

static void print_thread(FILE *out)
{
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    fprintf(out, "  thread %ld \"%s\" of process %d\n", syscall(SYS_gettid), name, (int)getpid());
}

static void print_state(FILE *out, const struct cpu *cpu, const char *maps)
{
    print_registers(out, cpu);
    print_backtrace(out, maps, cpu);
    print_code(out, cpu->pc);
    fprintf(out, "mappings:\n");
    print_place(out, maps, "pc", cpu->pc);
    print_place(out, maps, "sp", cpu->x[31]);
}

/* ---- the guest's death ---- */

/* Signals of exceptions carry an address. */
static bool has_address(const siginfo_t *info)
{
    int signo = info->si_signo;
    return info->si_code > 0 && info->si_code != SI_KERNEL &&
           (signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE || signo == SIGTRAP);
}

static void print_signal(FILE *out, const siginfo_t *info)
{
    const char *name = sigabbrev_np(info->si_signo);
    fprintf(out, "xemu: signal %d (%s%s), code %d", info->si_signo, name ? "SIG" : "",
            name ? name : "real-time", info->si_code);
    if (has_address(info))
        fprintf(out, ", address %#lx", (uint64_t)info->si_addr);
    else if (info->si_code <= 0)
        fprintf(out, ", sent by process %d", info->si_pid);
    fprintf(out, ", ends %s\n", sys_guest_path());
}

void crash_report_guest(const struct cpu *cpu, const siginfo_t *info)
{
    char *text = NULL, *maps = sys_guest_maps();
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out && maps) {
        print_signal(out, info);
        print_thread(out);
        if (info->si_signo == SIGILL)
            print_undefined(out, cpu);
        print_state(out, cpu, maps);
        if (has_address(info))
            print_place(out, maps, "address", (uint64_t)info->si_addr);
    }
    if (out)
        fclose(out);
    log_write(text, size);
    free(text);
    free(maps);
}

/* ---- xemu's own ---- */

static void report_bug(const struct cpu *cpu)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* memory that can't be read must be no reason to die */
    char *maps = sys_guest_maps();
    print_thread(stderr);
    if (maps)
        print_state(stderr, cpu, maps);
    fflush(stderr);
}

void crash_report_bug(const struct cpu *cpu)
{
    static const struct timespec step = {.tv_nsec = 10 * 1000 * 1000};
    long writer = syscall(SYS_clone, 0, 0, 0, 0, 0); /* the child has no exit signal: nobody learns of it */
    if (writer == 0) {
        report_bug(cpu);
        _exit(0);
    }
    for (int n = 0; writer > 0 && n < WRITER_SECONDS * 100; n++) {
        if (waitpid((pid_t)writer, NULL, WNOHANG | __WALL) != 0)
            return;
        nanosleep(&step, NULL);
    }
    if (writer > 0) {
        kill((pid_t)writer, SIGKILL);
        waitpid((pid_t)writer, NULL, __WALL);
    }
}
