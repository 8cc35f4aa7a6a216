/* The guest's callers: the chain of frame records that x29 begins, completed by x30. */
#include "crash.h"

#include <xemu/cpu.h>
#include <xemu/fault.h>
#include <xemu/guestmem.h>
#include <xemu/loader.h>
#include <xemu/sys.h>

#include <string.h>

enum { FRAMES_MAX = 64, MOV_X8_SIGRETURN = 0xd2801168, SVC_0 = 0xd4000001 };

struct frame_record {
    uint64_t fp, lr;
};

/* Where the walk is: in a function that has not necessarily made a frame record yet. */
struct walk {
    uint64_t pc, fp, lr;
    bool fresh; /* lr is the register, not the record's */
};

/* Without a pointer authentication code and a tag: 48 bits. */
static uint64_t code_address(uint64_t address) { return address << 16 >> 16 & ~3ull; }

static bool executable(uint64_t address) { return guest_range_executable(address, address + 4); }

static bool is_trampoline(uint64_t address)
{
    uint32_t code[2];
    return guest_copy_in(code, address, sizeof code) == 0 && code[0] == MOV_X8_SIGRETURN && code[1] == SVC_0;
}

static bool same_function(const char *maps, uint64_t a, uint64_t b)
{
    static struct place in_a, in_b;
    static struct elf_symbol of_a, of_b;
    return place_find(maps, a, &in_a) && place_find(maps, b, &in_b) && in_a.start == in_b.start &&
           elf_find_symbol(in_a.file, in_a.offset + (a - in_a.start), &of_a) &&
           elf_find_symbol(in_b.file, in_b.offset + (b - in_b.start), &of_b) &&
           a - of_a.offset == b - of_b.offset;
}

/* Whether x30 tells the caller of a function that has no frame record: a function that has called another one
 * finds an address of its own there. */
static bool link_is_caller(const char *maps, const struct walk *at)
{
    return executable(at->lr) && !is_trampoline(at->lr) && !same_function(maps, at->pc, at->lr - 4);
}

static bool enter_interrupted(FILE *out, struct walk *at, uint64_t record)
{
    uint64_t x[32];
    if (!sys_interrupted(record, &at->pc, x))
        return false;
    fprintf(out, "      signal handler called\n");
    at->fp = x[29];
    at->lr = code_address(x[30]);
    at->fresh = true;
    return true;
}

/* Goes to the caller. */
static bool step(FILE *out, const char *maps, struct walk *at)
{
    struct frame_record record;
    if (at->fresh && is_trampoline(at->lr) && executable(at->lr) &&
        sys_interrupted(at->fp, &record.lr, (uint64_t[32]){0}))
        return enter_interrupted(out, at, at->fp);
    bool readable = at->fp % 8 == 0 && guest_copy_in(&record, at->fp, sizeof record) == 0;
    bool link = at->fresh && link_is_caller(maps, at);
    at->fresh = false;
    if (link && !(readable && code_address(record.lr) == at->lr)) {
        at->pc = at->lr;
        return true;
    }
    uint64_t lr = readable ? code_address(record.lr) : 0;
    if (lr && is_trampoline(lr))
        return enter_interrupted(out, at, record.fp);
    if (!executable(lr) || (record.fp && record.fp <= at->fp))
        return false;
    at->pc = lr;
    at->fp = record.fp;
    return true;
}

void print_backtrace(FILE *out, const char *maps, const struct cpu *cpu)
{
    struct walk at = {.pc = cpu->pc, .fp = cpu->x[29], .lr = code_address(cpu->x[30]), .fresh = true};
    fprintf(out, "backtrace:\n");
    for (int n = 0; n < FRAMES_MAX; n++) {
        fprintf(out, "  #%-2d 0x%012lx  ", n, at.pc);
        print_address(out, maps, at.pc, at.fresh ? 0 : 4);
        fprintf(out, "\n");
        if (!step(out, maps, &at))
            return;
    }
}
