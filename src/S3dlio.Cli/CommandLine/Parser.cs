using S3dlio.Storage;

namespace S3dlio.Cli.CommandLine;

/// <summary>
/// Splits a command line: <c>--name value</c>, <c>--name=value</c>, <c>-n value</c>, <c>-nvalue</c>, flags bundled as <c>-rl</c>, and
/// <c>--</c>
/// behind which everything is an argument. Options may stand anywhere.
/// </summary>
sealed class Parser(CommandSet commands)
{
    public Parsed Parse(IReadOnlyList<string> words)
    {
        Verb? verb = null;
        string path = "";
        var below = commands.Verbs;
        var positionals = new List<string>();
        var given = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var patterns = new List<(bool, string)>();
        // of a verb that is not known yet, such as in "--json ls", only the options of all verbs can stand here
        bool literal = false;
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            if (!literal && word == "--")
                literal = true;
            else if (!literal && word.StartsWith("--", StringComparison.Ordinal))
                i = Long(words, i, verb, given, patterns);
            else if (!literal && word.Length > 1 && word[0] == '-')
                i = Letters(words, i, verb, given, patterns);
            else if (below.Length > 0)
            {
                verb = below.FirstOrDefault(known => known.Answers(word))
                    ?? throw new UsageException(NearestName.Refuse(path.Length == 0 ? "verb" : $"verb of '{path}'", word,
                        [.. below.Where(static known => known.Purpose.Length > 0).Select(static known => known.Name)]));
                path = path.Length == 0 ? verb.Name : $"{path} {verb.Name}";
                below = verb.Verbs;
            }
            else
                positionals.Add(word);
        }
        return new Parsed(commands, verb, path, positionals, given, patterns);
    }

    int Long(IReadOnlyList<string> words, int i, Verb? verb, Dictionary<string, List<string>> given, List<(bool, string)> patterns)
    {
        string word = words[i][2..];
        int equals = word.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? word : word[..equals];
        var option = Known(verb).FirstOrDefault(known => known.Name == name || known.Aliases.Contains(name))
            ?? throw new UsageException(NearestName.Refuse("option", "--" + name,
                [.. Known(verb).Select(static known => "--" + known.Name)]));
        if (option.Value is null)
        {
            if (equals >= 0)
                throw new UsageException($"option --{name} takes no value");
            Add(given, patterns, option, "");
            return i;
        }
        if (equals < 0 && i + 1 == words.Count)
            throw new UsageException($"option --{name} needs a value: --{name} {option.Value}");
        Add(given, patterns, option, equals < 0 ? words[i + 1] : word[(equals + 1)..]);
        return equals < 0 ? i + 1 : i;
    }

    int Letters(IReadOnlyList<string> words, int i, Verb? verb, Dictionary<string, List<string>> given, List<(bool, string)> patterns)
    {
        string word = words[i];
        for (int at = 1; at < word.Length; at++)
        {
            var option = Known(verb).FirstOrDefault(known => known.Short == word[at])
                ?? throw new UsageException($"unknown option "
                    + $"'-{word[at]}'{(verb is null ? "" : $"; '{commands.Name} {verb.Name} --help' lists those there are")}");
            if (option.Value is null)
            {
                Add(given, patterns, option, "");
                continue;
            }
            if (at + 1 < word.Length)
            {
                Add(given, patterns, option, word[(at + 1)..].TrimStart('='));
                return i;
            }
            if (i + 1 == words.Count)
                throw new UsageException($"option -{option.Short} needs a value: -{option.Short} {option.Value}");
            Add(given, patterns, option, words[i + 1]);
            return i + 1;
        }
        return i;
    }

    IEnumerable<Option> Known(Verb? verb) => (verb?.Options ?? []).Concat(commands.Everywhere);

    static void Add(Dictionary<string, List<string>> given, List<(bool, string)> patterns, Option option, string value)
    {
        if (!given.TryGetValue(option.Name, out var values))
            given[option.Name] = values = [];
        // of an option that counts once the last one does, as scripts that add to a list of options expect
        if (!option.Repeats && option.Value is not null)
            values.Clear();
        values.Add(value);
        if (option.Name is "include" or "exclude")
            patterns.Add((option.Name == "include", value));
    }
}

/// <param name="Commands">What the program answers to.</param>
/// <param name="Verb">Null where none was named.</param>
/// <param name="Path">The verb with the group that it is in.</param>
/// <param name="Positionals">Arguments by their place.</param>
/// <param name="Given">Options by long name; a flag has an empty value.</param>
/// <param name="Patterns">Those of --include and --exclude in their order.</param>
sealed record Parsed(
    CommandSet Commands, Verb? Verb, string Path, List<string> Positionals, Dictionary<string, List<string>> Given,
        List<(bool Include, string Pattern)> Patterns)
{
    public bool Has(string name) => Given.ContainsKey(name);

    /// <summary>Compares the number of arguments with what the verb takes.</summary>
    public void CheckCount()
    {
        var wanted = Verb!.Positionals;
        int least = wanted.Sum(static one => one.Least);
        if (Positionals.Count < least)
            throw new UsageException($"{Path}: {wanted[Math.Min(Positionals.Count, wanted.Length - 1)].Name} is missing; usage: "
                + $"{Help.Usage(Commands, this.Path, Verb)}");
        if (Positionals.Count > wanted.Length && !wanted.Any(static one => one.Many))
            throw new UsageException($"{Path}: too many arguments, from '{Positionals[wanted.Length]}' on; usage: "
                + $"{Help.Usage(Commands, this.Path, Verb)}");
    }
}
