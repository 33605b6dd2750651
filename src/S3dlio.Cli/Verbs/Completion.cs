using System.Buffers;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary>Completion in shells: a few lines for each shell, which ask the program itself.</summary>
static class Completion
{
    static readonly string[] Shells = ["bash", "fish", "zsh"];

    /// <summary>What a shell would not take as it stands.</summary>
    static readonly SearchValues<char> Special = SearchValues.Create(" \t\n\\'\"`$&;()<>|*?[{!");

    const string Bash = """
        _s3dlio() {
            local IFS=$'\n'
            # an address is one word, though bash parts words at colons
            local words=("${COMP_LINE:0:COMP_POINT}")
            COMPREPLY=($(s3dlio __complete -- "${words[0]}" 2>/dev/null))
            local current="${words[0]##*[[:space:]]}"
            if [[ $current == *:* ]]; then
                local cut="${current%"${current##*:}"}"
                COMPREPLY=("${COMPREPLY[@]#"$cut"}")
            fi
            [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace
        }
        complete -o default -F _s3dlio s3dlio

        """;

    const string Zsh = """
        #compdef s3dlio
        _s3dlio() {
            local -a found folders
            found=("${(@f)$(s3dlio __complete -- "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)}")
            if [[ -z ${found[1]} ]]; then
                _files
                return
            fi
            # behind a folder the next word does not begin
            folders=(${(M)found:#*/})
            found=(${found:#*/})
            (( $#folders )) && compadd -S '' -- $folders
            (( $#found )) && compadd -- $found
        }
        # sourced it is made known; as a file of fpath it is called
        if [[ $funcstack[1] == _s3dlio ]]; then _s3dlio "$@"; else compdef _s3dlio s3dlio; fi

        """;

    const string Fish = """
        function __s3dlio_complete
            set -l found (s3dlio __complete -- (commandline -cp) 2>/dev/null)
            if set -q found[1]
                printf '%s\n' $found
            else
                __fish_complete_path (commandline -ct)
            end
        end
        complete -c s3dlio -f -a '(__s3dlio_complete)'

        """;

    public static readonly Verb Verb = new("completion", "print what a shell needs to complete verbs, options and remote paths", run =>
    {
        run.Terminal.Bytes(System.Text.Encoding.UTF8.GetBytes(run.Arguments[0] switch
        {
            "bash" => Bash,
            "zsh" => Zsh,
            "fish" => Fish,
            var other => throw new UsageException(NearestName.Refuse("shell", other, ["bash", "fish", "zsh"])),
        }));
        return Task.FromResult(ExitCode.Good);
    })
    {
        Positionals = [new("SHELL", "bash, zsh or fish")],
        Examples = ["source <(s3dlio completion bash)", "s3dlio completion fish > ~/.config/fish/completions/s3dlio.fish"],
    };

    /// <summary>Asked by the shells: prints what the last word of a line may become.</summary>
    public static readonly Verb Ask = new("__complete", "", RunAsync) { Positionals = [new("LINE", "")] };

    static async Task<int> RunAsync(Invocation run)
    {
        string line = run.Arguments[0];
        string[] words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        string last = line.Length == 0 || char.IsWhiteSpace(line[^1]) ? "" : words[^1];
        string[] before = words[1..(last.Length == 0 ? words.Length : words.Length - 1)];
        foreach (string one in await CandidatesAsync(run, before, last))
            run.Terminal.Line(one);
        return ExitCode.Good;
    }

    static async Task<IEnumerable<string>> CandidatesAsync(Invocation run, string[] before, string last)
    {
        Verb? verb = null;
        var below = Catalog.Commands.Verbs;
        foreach (string word in before)
        {
            if (word.StartsWith('-'))
                continue;
            if (below.FirstOrDefault(known => known.Answers(word)) is not { } found)
                break;
            (verb, below) = (found, found.Verbs);
        }
        if (last.StartsWith('-'))
            return (verb?.Options ?? []).Concat(Common.Everywhere).Select(static option => "--" + option.Name)
                .Where(name => name.StartsWith(last, StringComparison.Ordinal));
        if (below.Length > 0)
            return below.Where(known => known.Purpose.Length > 0 && known.Name.StartsWith(last, StringComparison.Ordinal))
                .Select(static known => known.Name);
        if (verb is { Name: "completion" })
            return Shells.Where(name => name.StartsWith(last, StringComparison.Ordinal));
        return last.Contains("://", StringComparison.Ordinal) ? await RemoteAsync(run, last) : [];
    }

    /// <summary>One page of what begins so.</summary>
    static async Task<IEnumerable<string>> RemoteAsync(Invocation run, string last)
    {
        int slash = last.LastIndexOf('/');
        string above = last[..(slash + 1)];
        if (above is "s3://" || run.Stores.Containers(above) is { Name: null })
        {
            var account = run.Stores.Containers(above)!.Value;
            return (await account.Service.ListAsync(run.Cancel)).Select(one => account.Base + one.Name + "/")
                .Where(name => name.StartsWith(last, StringComparison.Ordinal));
        }
        var place = run.Stores.Open(above, wildcards: false);
        await foreach (var page in place.Store.ListAsync(place.Key + last[(slash + 1)..], ListOptions.Default with { Recursive = false },
            run.Cancel))
        {
            return page.Prefixes.Concat(page.Objects.Select(static meta => meta.Key)).Order(StringComparer.Ordinal)
                .Select(place.Address).Where(static name => !name.AsSpan().ContainsAny(Special) && Quoted.Name(name) == name);
        }
        return [];
    }
}
