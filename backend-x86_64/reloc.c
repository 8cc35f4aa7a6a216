/* What has to change in a block's code when it moves: notes it as the code is emitted. */
#include "lower.h"

void note_reloc(struct lower *l, enum reloc_kind kind)
{
    struct code_buffer *buffer = l->buffer;
    unsigned bytes = kind == RELOC_GUEST ? 8 : 4;
    if (l->e.full)
        return;
    if (buffer->reloc_count == buffer->reloc_capacity)
        buffer->portable = false;
    else
        buffer->relocs[buffer->reloc_count++] =
            (struct code_reloc){.offset = (uint32_t)(l->e.at - bytes - l->start) & 0x3fffffff, .kind = kind};
}

void note_fixed(struct lower *l) { l->buffer->fixed = true; }

void emit_guest_address(struct lower *l, unsigned reg, uint64_t addr)
{
    emit_mov_imm(&l->e, reg, addr);
    if (addr <= UINT32_MAX || fits32((int64_t)addr))
        note_fixed(l);
    else
        note_reloc(l, RELOC_GUEST);
}

void jmp_to_stub(struct lower *l, const uint8_t *stub)
{
    emit_jmp_to(&l->e, stub);
    note_reloc(l, RELOC_STUB);
}

void jcc_to_stub(struct lower *l, enum x86_cc cc, const uint8_t *stub)
{
    emit_jcc_to(&l->e, cc, stub);
    note_reloc(l, RELOC_STUB);
}

void call_stub(struct lower *l, const uint8_t *stub)
{
    emit_call_to(&l->e, stub);
    note_reloc(l, RELOC_STUB);
}
