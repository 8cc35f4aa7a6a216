/* xemu [options] program [arguments], or a program that the kernel hands over. */
#include <xemu/commands.h>
#include <xemu/cpu.h>
#include <xemu/exit.h>
#include <xemu/features.h>
#include <xemu/fp.h>
#include <xemu/launch.h>
#include <xemu/loader.h>
#include <xemu/options.h>
#include <xemu/sys.h>

/* The program that a command line names: the first word that is no option. */
static struct launch read_command_line(int argc, char **argv)
{
    if (argc > 1)
        commands_run(argc - 1, argv + 1);
    int at = options_parse(argc, argv);
    return (struct launch){.argv_at = at, .path = argv[at], .execfn = argv[at], .fd = -1};
}

int main(int argc, char **argv)
{
    static struct guest_image image;
    static struct cpu cpu __attribute__((aligned(64)));

    cpu_select(NULL);
    struct launch launch = launch_read(argc, argv, launch_facts());
    if (launch.by_kernel)
        options_from_environment();
    else
        launch = read_command_line(argc, argv);
    if (options.argv0)
        argv[launch.argv_at] = (char *)options.argv0;
    loader_load(&image, &launch, argv + launch.argv_at, options.guest_env);
    cpu.pc = image.entry;
    cpu.x[31] = image.sp;
    cpu.excl_addr = EXCL_NONE;
    fp_set_fpcr(&cpu, 0);
    sys_init(&cpu, &image);
    run_loop(&cpu);
}
