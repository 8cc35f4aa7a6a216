/* --help, --version and the manual page, from the rows of options.def and commands.def. */
#include "option_rows.h"
#include "completion.h"

#include <xemu/commands.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *option_show_version(void *, const char *)
{
    puts("xemu " XEMU_VERSION " (ARM64 Linux programs on x86-64)");
    exit(0);
}

static void show_row(const struct option_row *row)
{
    char left[64];
    const char *argument = row->argument ? row->argument : "";
    const char *join = !row->argument ? "" : option_argument_optional(row) ? "[=" : " ";
    char letter[] = {'-', row->letter, ',', ' ', 0};
    snprintf(left, sizeof left, "%s--%s%s%s", row->letter ? letter : "    ", row->name, join,
             argument + option_argument_optional(row));
    if (row->environment)
        printf("  %-36s %s\n        %s\n", left, row->environment, row->help);
    else
        printf("  %s\n        %s\n", left, row->help);
}

static void show_usage(void)
{
    puts("Usage: xemu [options] program [arguments]\n"
         "Runs a Linux program for ARM64 (AArch64) on x86-64.\n"
         "\n"
         "  option                               variable");
    for (size_t i = 0; i < option_row_count; i++)
        show_row(&option_rows[i]);
    puts("\n  command, as the first word: xemu COMMAND --help says more");
    for (size_t i = 0; i < command_row_count; i++)
        if (command_rows[i].command)
            printf("  %s %s\n        %s\n", command_rows[i].command, command_rows[i].argument,
                   command_rows[i].help);
    puts("\n"
         "An option on the command line wins over its variable.\n"
         "A program in this directory that is called like a command runs as ./install.\n"
         "Programs that need shared libraries find them below -L, for example\n"
         "  xemu -L /usr/aarch64-linux-gnu ./program");
}

/* roff takes a dash for a hyphen and a dot or quote at the start of a line for a request. */
static void show_roff(const char *text)
{
    for (; *text; text++)
        printf(*text == '-' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void show_manual_commands(void)
{
    puts(".SH COMMANDS\n"
         "A command is the first word, before any option. A program in this directory that is called like a "
         "command\n"
         "runs as \\fB./install\\fR.");
    for (size_t i = 0; i < command_row_count; i++) {
        const struct command_row *row = &command_rows[i];
        if (row->command && i)
            puts(".RE");
        printf(".TP\n\\fB%s", row->command ? "" : "\\-\\-");
        show_roff(row->command ? row->command : row->option);
        printf("\\fR %s\n", row->argument ? row->argument : "");
        show_roff(row->help);
        puts(row->command ? "\n.RS" : "");
    }
    puts(".RE");
}

static void show_manual(void)
{
    puts(".TH XEMU 1 \"\" \"xemu " XEMU_VERSION "\"\n"
         ".SH NAME\nxemu \\- run ARM64 Linux programs on x86\\-64\n"
         ".SH SYNOPSIS\n.B xemu\n[\\fIoptions\\fR] \\fIprogram\\fR [\\fIarguments\\fR]\n.br\n"
         ".B xemu\n\\fIcommand\\fR [\\fIoptions\\fR]\n"
         ".SH DESCRIPTION\n"
         "Runs a Linux program for ARM64 (AArch64): instructions are translated, system calls go to the\n"
         "running kernel. Programs that the guest starts run under xemu too.\n"
         "Each option has an environment variable; an option on the command line wins over it.\n"
         "In a program that was started with raised privileges the variables are ignored.\n"
         ".SH OPTIONS");
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        printf(".TP\n\\fB");
        if (row->letter)
            printf("\\-%c\\fR, \\fB", row->letter);
        printf("\\-\\-");
        show_roff(row->name);
        printf("\\fR%s%s\n", option_argument_optional(row) ? "[=" : " ",
               row->argument ? row->argument + option_argument_optional(row) : "");
        show_roff(row->help);
        if (row->environment)
            printf("\n(\\fB%s\\fR)", row->environment);
        putchar('\n');
    }
    show_manual_commands();
    puts(".SH EXIT STATUS\n"
         "The guest program's. 127: it was not found; 126: it cannot be run; 2: a wrong option.\n"
         "A program that a signal killed is reported as such.");
}

const char *option_show_help(void *, const char *value)
{
    if (!value)
        show_usage();
    else if (strcmp(value, "man") == 0)
        show_manual();
    else if (!completion_show(value))
        return "should be man, bash, zsh, fish or nothing";
    exit(0);
}
