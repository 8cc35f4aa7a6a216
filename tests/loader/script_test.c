/* script_read(): the #! line as the kernel reads it. */
#include "../../loader/script.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct script script;

static bool read_text(const char *text)
{
    int fd = memfd_create("script", 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    bool is_script = script_read(&script, fd);
    close(fd);
    return is_script;
}

Test(script, line_is_split_into_interpreter_and_one_argument)
{
    cr_assert(read_text("#!/bin/sh -e -x\necho\n"));
    cr_expect_str_eq(script.interpreter, "/bin/sh");
    cr_expect_str_eq(script.argument, "-e -x");
}

Test(script, blanks_around_are_dropped)
{
    cr_assert(read_text("#! \t /usr/bin/env  python3 \t\n"));
    cr_expect_str_eq(script.interpreter, "/usr/bin/env");
    cr_expect_str_eq(script.argument, "python3");
}

Test(script, line_may_end_with_the_file)
{
    cr_assert(read_text("#!/bin/sh"));
    cr_expect_str_eq(script.interpreter, "/bin/sh");
    cr_expect_str_eq(script.argument, "");
}

Test(script, other_files_are_no_scripts)
{
    cr_expect_not(read_text(""));
    cr_expect_not(read_text("#"));
    cr_expect_not(read_text(" #!/bin/sh\n"));
    cr_expect_not(read_text("\177ELF"));
}

Test(script, missing_interpreter_is_left_empty)
{
    cr_assert(read_text("#!\n/bin/sh"));
    cr_expect_str_eq(script.interpreter, "");
    cr_assert(read_text("#!   \n"));
    cr_expect_str_eq(script.interpreter, "");
}

Test(script, interpreter_that_the_kernel_would_cut_is_left_empty)
{
    char text[400] = "#!/";
    memset(text + 3, 'x', sizeof text - 4);
    cr_assert(read_text(text));
    cr_expect_str_eq(script.interpreter, "");
}

Test(script, long_argument_is_cut_as_the_kernel_cuts_it)
{
    char text[400] = "#!/bin/sh ";
    memset(text + 10, 'y', sizeof text - 11);
    cr_assert(read_text(text));
    cr_expect_str_eq(script.interpreter, "/bin/sh");
    cr_expect_eq(strlen(script.argument), 256 - 10);
}
