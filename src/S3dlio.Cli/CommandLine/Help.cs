using System.Text;

namespace S3dlio.Cli.CommandLine;

/// <summary>What <c>--help</c> prints, and the reference of the documentation: both from the verbs themselves.</summary>
static class Help
{
    public static string Usage(CommandSet commands, string path, Verb verb)
    {
        var text = new StringBuilder(commands.Name).Append(' ').Append(path);
        if (verb.Verbs.Length > 0)
            text.Append(" VERB");
        if (verb.Options.Length > 0)
            text.Append(" [OPTIONS]");
        foreach (var one in verb.Positionals)
        {
            string name = one.Many ? one.Name + "..." : one.Name;
            text.Append(' ').Append(one.Least == 0 ? $"[{name}]" : name);
        }
        return text.ToString();
    }

    public static string Of(CommandSet commands)
    {
        var text = new StringBuilder("usage: ").Append(commands.Name).Append(" VERB [OPTIONS] ARGUMENTS\n\n").Append(commands.Purpose)
            .Append("\n\nverbs:\n");
        AppendVerbs(text, commands.Verbs);
        text.Append("\noptions of all verbs:\n");
        AppendOptions(text, commands.Everywhere);
        text.Append("""

            exit codes: 0 good, 1 something failed, 2 wrong usage, 3 differences or damage found, 130 interrupted

            """);
        return text.ToString();
    }

    public static string Of(CommandSet commands, string path, Verb verb)
    {
        var text = new StringBuilder().Append("usage: ").Append(Usage(commands, path, verb)).Append("\n\n").Append(Sentence(verb.Purpose))
            .Append('\n');
        if (verb.Details.Length > 0)
            text.Append('\n').Append(verb.Details).Append('\n');
        if (verb.Verbs.Length > 0)
        {
            text.Append("\nverbs:\n");
            AppendVerbs(text, verb.Verbs);
        }
        if (verb.Positionals.Length > 0)
        {
            text.Append("\narguments:\n");
            foreach (var one in verb.Positionals)
                text.Append("  ").Append(one.Name.PadRight(26)).Append(one.Help).Append('\n');
        }
        if (verb.Options.Length > 0)
        {
            text.Append("\noptions:\n");
            AppendOptions(text, verb.Options);
        }
        text.Append("\noptions of all verbs:\n");
        AppendOptions(text, commands.Everywhere);
        if (verb.Examples.Length > 0)
        {
            text.Append("\nexamples:\n");
            foreach (string example in verb.Examples)
                text.Append("  ").Append(example).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>The whole reference as Markdown.</summary>
    public static string Reference(CommandSet commands)
    {
        var text = new StringBuilder("### Options of all verbs\n\n");
        AppendTable(text, commands.Everywhere);
        foreach (var verb in commands.Verbs.Where(static verb => verb.Purpose.Length > 0))
        {
            AppendReference(text, commands, verb.Name, verb, "###");
            foreach (var below in verb.Verbs)
                AppendReference(text, commands, $"{verb.Name} {below.Name}", below, "####");
        }
        return text.ToString();
    }

    static void AppendReference(StringBuilder text, CommandSet commands, string path, Verb verb, string heading)
    {
        text.Append('\n').Append(heading).Append(" `").Append(path).Append("`\n\n").Append(Sentence(verb.Purpose));
        if (verb.Aliases.Length > 0)
            text.Append(" Also: ").AppendJoin(", ", verb.Aliases.Select(static name => $"`{name}`")).Append('.');
        text.Append("\n\n```text\n").Append(Usage(commands, path, verb)).Append("\n```\n");
        if (verb.Details.Length > 0)
            text.Append('\n').Append(verb.Details).Append('\n');
        if (verb.Positionals.Length > 0)
        {
            text.Append("\n| argument | |\n|---|---|\n");
            foreach (var one in verb.Positionals)
                text.Append("| `").Append(one.Name).Append("` | ").Append(Cell(one.Help)).Append(" |\n");
        }
        if (verb.Options.Length > 0)
        {
            text.Append('\n');
            AppendTable(text, verb.Options);
        }
        if (verb.Examples.Length > 0)
            text.Append("\n```sh\n").AppendJoin('\n', verb.Examples).Append("\n```\n");
    }

    static void AppendTable(StringBuilder text, IReadOnlyList<Option> options)
    {
        text.Append("| option | |\n|---|---|\n");
        foreach (var option in options)
            text.Append("| `").Append(Spelling(option)).Append("` | ").Append(Cell(option.Help)).Append(" |\n");
    }

    static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    static string Sentence(string text) => text.Length == 0 ? "" : char.ToUpperInvariant(text[0]) + text[1..] + ".";

    static void AppendVerbs(StringBuilder text, IReadOnlyList<Verb> verbs)
    {
        // one without a purpose is not for people
        foreach (var verb in verbs.Where(static verb => verb.Purpose.Length > 0))
            text.Append("  ").Append(verb.Name.PadRight(14)).Append(verb.Purpose).Append('\n');
    }

    static void AppendOptions(StringBuilder text, IReadOnlyList<Option> options)
    {
        foreach (var option in options)
        {
            string spelling = Spelling(option);
            text.Append("  ").Append(spelling.PadRight(26));
            if (spelling.Length >= 26)
                text.Append("\n".PadRight(29));
            text.Append(option.Help).Append('\n');
        }
    }

    static string Spelling(Option option) =>
        (option.Short == '\0' ? "" : $"-{option.Short}, ") + $"--{option.Name}" + (option.Value is null ? "" : " " + option.Value);
}
