/* xemu [options] program [arguments] */
#include <xemu/cpu.h>
#include <xemu/exit.h>
#include <xemu/features.h>
#include <xemu/fp.h>
#include <xemu/loader.h>
#include <xemu/options.h>
#include <xemu/sys.h>

int main(int argc, char **argv)
{
    static struct guest_image image;
    static struct cpu cpu __attribute__((aligned(64)));

    cpu_select(NULL);
    int program = options_parse(argc, argv);
    const char *path = argv[program];
    if (options.argv0)
        argv[program] = (char *)options.argv0;
    loader_load(&image, path, argv + program, options.guest_env);
    cpu.pc = image.entry;
    cpu.x[31] = image.sp;
    cpu.excl_addr = EXCL_NONE;
    fp_set_fpcr(&cpu, 0);
    sys_init(&cpu, &image);
    run_loop(&cpu);
}
