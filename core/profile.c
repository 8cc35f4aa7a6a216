/* Records of compiled blocks and how often they run. */
#include <xemu/profile.h>

#include <xemu/explain.h>
#include <xemu/mem.h>
#include <xemu/options.h>
#include <xemu/trace.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct block_profile *_Atomic newest;

bool profile_on(void) { return options.report_counts || explain_on(); }

struct block_profile *profile_new(uint64_t pc)
{
    bool explained = explain_on() && explain_wants(pc), counted = explained || options.report_counts;
    struct block_profile *profile = counted || log_wants_parts() ? calloc(1, sizeof *profile) : NULL;
    if (!profile)
        return NULL;
    profile->pc = pc;
    profile->code.uncounted = !counted;
    if (explained)
        profile->ir = malloc(sizeof *profile->ir);
    return profile;
}

/* Guest memory may fault here as it may for the lifter, which has just read the same. */
NO_SANITIZE void profile_source(struct block_profile *profile, const struct ir_block *ir)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ir->count; i++)
        if (ir->insns[i].op == IR_mark && n < PROFILE_INSNS)
            profile->words[n++] = (uint32_t)mem_load((uint64_t)ir->insns[i].imm, 2);
    if (profile->ir)
        memcpy(profile->ir, ir, offsetof(struct ir_block, insns) + ir->count * sizeof *ir->insns);
}

void profile_code(struct block_profile *profile, const uint8_t *code, uint32_t bytes, uint64_t at)
{
    profile->host = profile->code.uncounted ? NULL : malloc(bytes);
    if (!profile->host)
        return;
    memcpy(profile->host, code, bytes);
    profile->host_bytes = bytes;
    profile->host_at = at;
    if (profile->ir) { /* most of it was room */
        size_t size = offsetof(struct ir_block, insns) + profile->ir->count * sizeof *profile->ir->insns;
        struct ir_block *shrunk = realloc(profile->ir, size);
        profile->ir = shrunk ? shrunk : profile->ir;
    }
    profile->next = newest;
    atomic_store_explicit(&newest, profile, memory_order_release);
}

void profile_done(struct block_profile *profile)
{
    if (!profile || profile->host)
        return;
    free(profile->ir);
    free(profile);
}

const struct block_profile *profile_first(void)
{
    return atomic_load_explicit(&newest, memory_order_acquire);
}

/* Of one part of the code. */
static uint64_t runs_of(const struct block_profile *profile, unsigned part)
{
    while (part && !profile->code.insns[part].counted)
        part--;
    return profile->code.insns[part].runs;
}

uint64_t profile_runs(const struct block_profile *profile, unsigned n)
{
    return runs_of(profile, n) + (profile->code.again ? runs_of(profile, profile->code.count + n) : 0);
}

void profile_totals(uint64_t *guest, uint64_t *host)
{
    *guest = *host = 0;
    for (const struct block_profile *profile = profile_first(); profile; profile = profile->next) {
        for (unsigned n = 0; profile_runs(profile, 0) && n < profile->code.count + profile->code.again; n++) {
            const struct code_profile_insn *insn = &profile->code.insns[n];
            uint64_t runs = runs_of(profile, n);
            *guest += runs;
            *host +=
                runs ? runs * count_host_instructions(profile->host + insn->start, insn->end - insn->start)
                     : 0;
        }
    }
}

void profile_forked(void)
{
    for (struct block_profile *profile = newest; profile; profile = profile->next)
        for (unsigned n = 0; n < profile->code.count + profile->code.again; n++)
            profile->code.insns[n].runs = 0;
}
