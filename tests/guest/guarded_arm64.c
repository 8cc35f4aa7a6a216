// arm64-only
/* FEAT_BTI: which instructions in a guarded page (PROT_BTI) the kinds of indirect branches may land on, what a
 * violation tells, and what signals do to PSTATE.BTYPE. */
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <ucontext.h>

#include <elf.h>

#include "check.h"
#include "refused.h"

enum { PAGE = 4096, GUARDED = 0x10 /* PROT_BTI */, RX = PROT_READ | PROT_EXEC, BTYPE = 10, HWCAP2_BTI_BIT = 17 };
enum { NOP = 0xd503201f, BTI = 0xd503241f, BTI_C = 0xd503245f, BTI_J = 0xd503249f, BTI_JC = 0xd50324df,
       PACIASP = 0xd503233f, PACIBSP = 0xd503237f, PACIAZ = 0xd503231f, BRK = 0xd4200000, RET = 0xd65f03c0 };

static uint32_t *sites, *targets; /* a page each */

/* --- what a violation tells -------------------------------------------------------------------------------- */

static volatile uint64_t btype;

static void refused(int number, siginfo_t *info, void *context)
{
    mcontext_t *registers = note_refusal(number, info, context);
    btype = registers->pstate >> BTYPE & 3;
    registers->pstate &= ~(3ull << BTYPE);
}

static void set_rights(void *page, int guarded) { CHECK(mprotect(page, PAGE, RX | (guarded ? GUARDED : 0)), 0); }

/* --- the kinds of branches --------------------------------------------------------------------------------- */

/* Functions that go to x0 each in its own way; what is there comes back to their caller. */
enum { WORDS = 8 };
static const struct site {
    const char *name;
    uint32_t words[WORDS];
    unsigned btype, guarded_btype; /* from an unguarded page, from a guarded one */
} kinds[] = {
    {"br x3", {BTI_JC, 0xaa0003e3, 0xd61f0060}, 1, 3},
    {"br x16", {BTI_JC, 0xaa0003f0, 0xd61f0200}, 1, 1},
    {"br x17", {BTI_JC, 0xaa0003f1, 0xd61f0220}, 1, 1},
    {"blr x3", {BTI_JC, 0xa9bf7bfd, 0xaa0003e3, 0xd63f0060, 0xa8c17bfd, RET}, 2, 2},
    {"blr x16", {BTI_JC, 0xa9bf7bfd, 0xaa0003f0, 0xd63f0200, 0xa8c17bfd, RET}, 2, 2},
    {"ret x3", {BTI_JC, 0xaa0003e3, 0xd65f0060}, 0, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* What each takes in a guarded page: bit n for BTYPE n (Arm ARM, BTypeCompatible). */
static const struct landing {
    uint32_t word;
    unsigned takes;
} landings[] = {
    {NOP, 1}, {BTI, 1}, {PACIAZ, 1}, {BTI_C, 7}, {BTI_J, 11}, {BTI_JC, 15}, {PACIASP, 7}, {PACIBSP, 7}, {0x910004a5, 1},
};
enum { LANDINGS = sizeof landings / sizeof *landings };

typedef long function(const void *);
static function *site(int kind) { return (function *)(sites + kind * WORDS); }
static uint32_t *target(int landing) { return targets + landing * WORDS; }

static void write_code(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        memcpy(sites + kind * WORDS, kinds[kind].words, sizeof kinds[kind].words);
    for (int i = 0; i < LANDINGS; i++) {
        /* the landing; autiasp or autibsp for what signed x30, else a NOP; mov x0, #42; ret */
        uint32_t check = landings[i].word == PACIASP ? 0xd50323bf : landings[i].word == PACIBSP ? 0xd50323ff : NOP;
        if (landings[i].word == PACIAZ)
            check = 0xd503239f;
        memcpy(target(i), (uint32_t[]){landings[i].word, check, 0xd2800540, RET}, 16);
    }
    __builtin___clear_cache((char *)sites, (char *)sites + PAGE);
    __builtin___clear_cache((char *)targets, (char *)targets + PAGE);
}

static void check_pair(int kind, int landing, int guarded_site, int guarded_target)
{
    unsigned want = guarded_site ? kinds[kind].guarded_btype : kinds[kind].btype;
    int allowed = !guarded_target || landings[landing].takes >> want & 1;
    signo = 0;
    long got = site(kind)(target(landing));
    if (got == (allowed ? 42 : 1) && signo == (allowed ? 0 : SIGILL))
        return;
    if (check_failures++ >= 10)
        return;
    printf("%s in a%s page to %08x in a%s one: %ld, signal %d\n", kinds[kind].name, guarded_site ? " guarded" : "n open",
           landings[landing].word, guarded_target ? " guarded" : "n open", got, signo);
}

/* All of them again and again, while pages become guarded and open. */
static void check_branches(void)
{
    install(SIGILL, refused);
    for (int round = 0; round < 48; round++) {
        int guarded_site = round / 12 & 1, guarded_target = round / 6 & 1;
        set_rights(sites, guarded_site);
        set_rights(targets, guarded_target);
        for (int landing = 0; landing < LANDINGS; landing++)
            for (int kind = 0; kind < KINDS; kind++)
                check_pair((kind + round) % KINDS, landing, guarded_site, guarded_target);
    }
}

static void check_violation(void)
{
    set_rights(sites, 1);
    set_rights(targets, 1);
    for (int round = 0; round < 20; round++) {
        CHECK(site(3)(target(0)), 1);
        CHECK(signo, SIGILL);
        CHECK(code, ILL_ILLOPC);
        CHECK(address, target(0));
        CHECK(at_pc, target(0));
        CHECK(btype, 2);
        CHECK(site(0)(target(3)), 1);
        CHECK(btype, 3);
        CHECK(site(1)(target(1)), 1);
        CHECK(btype, 1);
    }
}

/* --- other ways in ----------------------------------------------------------------------------------------- */

static void check_breakpoint(void)
{
    set_rights(sites, 1);
    mprotect(targets, PAGE, PROT_READ | PROT_WRITE);
    uint32_t *at = targets + PAGE / 4 - 2;
    *at = BRK;
    __builtin___clear_cache((char *)at, (char *)(at + 1));
    set_rights(targets, 1);
    install(SIGTRAP, refused);
    for (int round = 0; round < 20; round++)
        for (int kind = 0; kind < KINDS; kind++) {
            signo = 0;
            CHECK(site(kind)(at), 1);
            CHECK(signo, SIGTRAP);
        }
}

/* A fetch that faults tells the kind of branch, too. */
static void check_faults(void)
{
    install(SIGSEGV, refused);
    for (int guarded = 0; guarded < 2; guarded++) {
        set_rights(sites, guarded);
        for (int kind = 0; kind < KINDS; kind++) {
            CHECK(site(kind)((void *)16), 1);
            CHECK(signo, SIGSEGV);
            CHECK(at_pc, 16);
            CHECK(btype, guarded ? kinds[kind].guarded_btype : kinds[kind].btype);
        }
    }
    signal(SIGSEGV, SIG_DFL);
}

/* --- signals ----------------------------------------------------------------------------------------------- */

/* The kernel calls a handler as BLR does. */
static void check_handlers(void)
{
    set_rights(targets, 1);
    for (int i = 0; i < LANDINGS; i++)
        for (int round = 0; round < 12; round++) {
            signo = 0;
            install(SIGUSR1, target(i));
            raise(SIGUSR1);
            CHECK(signo, landings[i].takes >> 2 & 1 ? 0 : SIGILL);
            if (!signo)
                continue;
            CHECK(btype, 2);
            CHECK(address, target(i));
        }
    signal(SIGUSR1, SIG_DFL);
}

static uint64_t go_to, with_btype;

static void going(int number, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)number, (void)info;
    CHECK(uc->uc_mcontext.pstate >> BTYPE & 3, 0);
    uc->uc_mcontext.pc = go_to;
    uc->uc_mcontext.pstate |= with_btype << BTYPE;
}

/* A call that a handler sends to go_to, from where it comes back. */
static long interrupted(void)
{
    register long x0 asm("x0") = 0;
    asm volatile("adr x30, 1f\n brk #1\n1:\n" : "+r"(x0) : : "x3", "x5", "x16", "x17", "x30", "memory", "cc");
    return x0;
}

static void check_sigreturn(void)
{
    install(SIGTRAP, going);
    for (int round = 0; round < 12; round++)
        for (int i = 0; i < LANDINGS; i++)
            for (with_btype = 0; with_btype < 4; with_btype++) {
                int allowed = landings[i].takes >> with_btype & 1;
                go_to = (uint64_t)target(i);
                signo = 0;
                CHECK(interrupted(), allowed ? 42 : 1);
                CHECK(signo, allowed ? 0 : SIGILL);
                if (signo)
                    CHECK(btype, with_btype);
            }
    signal(SIGTRAP, SIG_DFL);
}

/* --- a debugger -------------------------------------------------------------------------------------------- */

static void traced(void)
{
    signal(SIGILL, SIG_DFL);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0))
        _exit(77); /* not here */
    raise(SIGSTOP);
    _exit(site(3)(target(3)) == 42 ? 0 : 1);
}

/* Sees the branch between its two ends, and makes it another kind. */
static void check_debugger(void)
{
    struct {
        uint64_t regs[31], sp, pc, pstate;
    } regs = {0};
    struct iovec set = {&regs, sizeof regs};
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        traced();
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return;
    for (int step = 0; step < 10000 && WIFSTOPPED(status) && regs.pc != (uint64_t)target(3); step++) {
        ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
        waitpid(pid, &status, 0);
        ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &set);
    }
    CHECK(regs.pc, target(3));
    CHECK(regs.pstate >> BTYPE & 3, 2);
    regs.pstate |= 3ull << BTYPE;
    CHECK(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &set), 0);
    ptrace(PTRACE_CONT, pid, 0, 0);
    waitpid(pid, &status, 0);
    CHECK(WIFSTOPPED(status) ? WSTOPSIG(status) : 0, SIGILL);
    ptrace(PTRACE_KILL, pid, 0, 0);
    waitpid(pid, &status, 0);
}

/* --- programs that are marked for it ----------------------------------------------------------------------- */

enum mark { NONE, MARKED };

/* A program that calls a function of its own, which begins with `first`, and ends with 7; or names an interpreter. */
static void write_program(const char *path, enum mark mark, uint32_t first, const char *interp)
{
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr ph[3];
        Elf64_Nhdr note;
        char name[4];
        uint32_t property[4];
        char interp[256];
        uint32_t code[8];
    } file = {
        .head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_DYN,
                 .e_machine = EM_AARCH64, .e_version = EV_CURRENT, .e_phoff = sizeof(Elf64_Ehdr),
                 .e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = interp ? 3 : 2},
        .note = {4, sizeof file.property, NT_GNU_PROPERTY_TYPE_0},
        .name = "GNU",
        .property = {GNU_PROPERTY_AARCH64_FEATURE_1_AND, 4, mark == MARKED},
        /* bti j; adr x1, f; blr x1; mov x0, #7; mov x8, #93; svc #0; f: first; ret */
        .code = {BTI_J, 0x100000a1, 0xd63f0020, 0xd28000e0, 0xd2800ba8, 0xd4000001, first, RET},
    };
    file.head.e_entry = (char *)file.code - (char *)&file;
    file.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = sizeof file,
                              .p_memsz = sizeof file, .p_align = PAGE};
    file.ph[1] = (Elf64_Phdr){.p_type = PT_GNU_PROPERTY, .p_offset = (char *)&file.note - (char *)&file,
                              .p_filesz = sizeof file.note + 4 + sizeof file.property, .p_align = 8};
    if (interp) {
        snprintf(file.interp, sizeof file.interp, "%s", interp);
        file.ph[2] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = (char *)file.interp - (char *)&file,
                                  .p_filesz = strlen(interp) + 1};
    }
    FILE *out = fopen(path, "w");
    CHECK(out ? fwrite(&file, sizeof file, 1, out) : 0, 1);
    fclose(out);
    chmod(path, 0755);
}

static void execute(void *path)
{
    execl(path, path, (char *)NULL);
    _exit(errno);
}

static void check_program(enum mark mark, uint32_t first, int want)
{
    char here[PAGE], interp[PAGE + 8];
    write_program("marked", mark, first, NULL);
    CHECK(in_child(execute, "./marked"), want);
    /* The same as the interpreter of a program whose own mark doesn't matter. */
    snprintf(interp, sizeof interp, "%s/marked", getcwd(here, sizeof here));
    for (enum mark own = NONE; own <= MARKED; own++) {
        write_program("program", own, NOP, interp);
        CHECK(in_child(execute, "./program"), want);
    }
    unlink("program");
    unlink("marked");
}

static void check_programs(int has)
{
    enum { SEVEN = 7 << 8 };
    check_program(NONE, NOP, SEVEN);
    check_program(MARKED, BTI_C, SEVEN);
    check_program(MARKED, BTI_J, has ? SIGILL : SEVEN);
    check_program(MARKED, NOP, has ? SIGILL : SEVEN);
}

int main(void)
{
    int has = getauxval(AT_HWCAP2) >> HWCAP2_BTI_BIT & 1;
    sites = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    targets = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    write_code();
    if (!has) {
        CHECK_ERRNO(mprotect(targets, PAGE, RX | GUARDED), EINVAL);
    } else {
        check_branches();
        check_violation();
        check_breakpoint();
        check_faults();
        check_handlers();
        check_sigreturn();
        check_debugger();
    }
    check_programs(has);
    return check_end();
}
