/* Completion scripts for shells, made from the tables of options and commands. */
#include "completion.h"

#include <xemu/commands.h>

#include <stdio.h>
#include <string.h>

static const struct {
    char letter;
    const char *name, *argument, *help;
} options_table[] = {
#define OPTION(letter, name, environment, argument, set, member, help) {letter, name, argument, help},
#define ACTION(letter, name, environment, argument, set, help)         {letter, name, argument, help},
#include "options.def"
#undef OPTION
#undef ACTION
};
enum { OPTIONS = sizeof options_table / sizeof *options_table };

/* Inside of single quotes. */
static void show_quoted(const char *text)
{
    for (; *text; text++)
        *text == '\'' ? fputs("'\\''", stdout) : putchar(*text);
}

/* Whether the option's argument is a word of its own. */
static bool takes_word(const char *argument) { return argument && argument[0] != '['; }

/* Rows of one command's options: from `at`, the index behind the command's row. */
static bool option_of_command(size_t at) { return at < command_row_count && command_rows[at].option; }

static void show_bash(void)
{
    puts("_xemu() {\n    local word=${COMP_WORDS[COMP_CWORD]} words\n    case ${COMP_WORDS[1]} in");
    for (size_t i = 0; i < command_row_count;) {
        printf("    %s) words='--help", command_rows[i++].command);
        for (; option_of_command(i); i++)
            printf(" --%s", command_rows[i].option);
        puts("' ;;");
    }
    printf("    *) words='");
    for (size_t i = 0; i < OPTIONS; i++)
        printf("--%s ", options_table[i].name);
    puts("' ;;\n    esac\n    COMPREPLY=()");
    printf("    if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    elif ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < command_row_count; i++)
        if (command_rows[i].command)
            printf("%s ", command_rows[i].command);
    puts("' -- \"$word\"))\n    fi\n}\ncomplete -o default -o bashdefault -F _xemu xemu xemu-static");
}

static void show_zsh_entry(const char *dashes, const char *name, const char *help)
{
    printf("        '%s%s:", dashes, name);
    show_quoted(help);
    puts("'");
}

static void show_zsh(void)
{
    puts("#compdef xemu xemu-static\nlocal -a commands options\ncommands=(");
    for (size_t i = 0; i < command_row_count; i++)
        if (command_rows[i].command)
            show_zsh_entry("", command_rows[i].command, command_rows[i].help);
    puts(")\ncase $words[2] in");
    for (size_t i = 0; i < command_row_count;) {
        printf("    %s) options=(\n", command_rows[i++].command);
        for (; option_of_command(i); i++)
            show_zsh_entry("--", command_rows[i].option, command_rows[i].help);
        puts("    ) ;;");
    }
    puts("    *) options=(");
    for (size_t i = 0; i < OPTIONS; i++)
        show_zsh_entry("--", options_table[i].name, options_table[i].help);
    puts("    ) ;;\nesac\nif [[ $PREFIX == -* ]]; then\n    _describe -o option options\nelse\n"
         "    ((CURRENT == 2)) && _describe command commands\n    _files\nfi");
}

static void show_fish_help(const char *help)
{
    printf(" -d '");
    for (; *help; help++)
        *help == '\'' ? fputs("\\'", stdout) : putchar(*help);
    puts("'");
}

static void show_fish(void)
{
    const char *command = "";
    for (size_t i = 0; i < OPTIONS; i++) {
        printf("complete -c xemu -n __fish_use_subcommand -l %s", options_table[i].name);
        if (options_table[i].letter)
            printf(" -s %c", options_table[i].letter);
        printf("%s", takes_word(options_table[i].argument) ? " -r" : "");
        show_fish_help(options_table[i].help);
    }
    for (size_t i = 0; i < command_row_count; i++) {
        const struct command_row *row = &command_rows[i];
        command = row->command ? row->command : command;
        if (row->command)
            printf("complete -c xemu -n __fish_use_subcommand -a %s", command);
        else
            printf("complete -c xemu -n '__fish_seen_subcommand_from %s' -l %s%s", command, row->option,
                   takes_word(row->argument) ? " -r" : "");
        show_fish_help(row->help);
    }
    puts("complete -c xemu-static -w xemu");
}

bool completion_show(const char *shell)
{
    static const struct {
        const char *name;
        void (*show)(void);
    } shells[] = {{"bash", show_bash}, {"zsh", show_zsh}, {"fish", show_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].show();
            return true;
        }
    }
    return false;
}
