/* Passes: the IR before and after. */
#include "../../jit/passes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void check(const char *before, const char *after)
{
    static struct ir_block block;
    char error[100], *text = NULL;
    size_t size;
    unsigned where;

    cr_assert_eq(ir_parse(&block, before, error, sizeof error), 0, "%s", error);
    pass_forward(&block);
    cr_assert_null(ir_verify(&block, &where));
    FILE *out = open_memstream(&text, &size);
    ir_print(out, &block);
    fclose(out);
    cr_assert_str_eq(text, after);
    free(text);
}

Test(pass_forward, a_register_that_was_written_is_not_read_again)
{
    check("%0 = const #0x5\n%1 = get_x #0x3\nput_x %0, #0x3\n%3 = get_x #0x3\n%4 = add.64 %3, %1\nput_x %4, #0x4\n"
          "branch #0x1000\n",
          "%0 = const #0x5\n%1 = get_x #0x3\nput_x %0, #0x3\n%3 = get_x #0x3\n%4 = add.64 %0, %1\nput_x %4, #0x4\n"
          "branch #0x1000\n");
}

Test(pass_forward, a_number_put_as_flags_is_read_back)
{
    const char *text = "%0 = get_x #0x1\nput_nzcv %0, #0x0\n%2 = get_nzcv #0x0\n%3 = cond.64 %2, #0x2\n"
                       "branch_if %3, #0x2000\nbranch #0x1000\n";
    check(text, text);
}

Test(pass_forward, flags_put_as_a_number_are_read_back)
{
    const char *text = "%0 = get_nzcv #0x0\nput_x %0, #0x2\n%2 = get_x #0x2\n%3 = get_x #0x5\nstore %3, %2, #0x3\n"
                       "branch #0x1000\n";
    check(text, text);
}
