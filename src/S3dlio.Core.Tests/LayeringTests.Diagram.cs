using System.Text.RegularExpressions;
using Xunit;

namespace S3dlio;

/// <summary>The diagram in docs/architecture.md is that of the sources, and what the page names exists.</summary>
public sealed partial class LayeringTests
{
    const string Core = "src/S3dlio.Core";

    static readonly string Page = File.ReadAllText(Path.Combine(Root, "docs/architecture.md"));

    /// <summary>The folder of each node's id.</summary>
    static readonly Dictionary<string, string> Nodes = Node().Matches(
        Page).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);

    static readonly HashSet<(string From, string To)> Arrows =
        [.. Arrow().Matches(Page).Select(match => (Nodes[match.Groups[1].Value], Nodes[match.Groups[2].Value]))];

    [Fact]
    public void Diagram_Nodes_AreTheFoldersOfCore()
    {
        var folders = Directory.EnumerateFiles(Path.Combine(Root, Core), "*.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Path.Combine(Root, Core), Path.GetDirectoryName(file)!))
            .Where(folder => folder != "." && !folder.Split('/').Any(part => part is "bin" or "obj")).ToHashSet();
        Assert.True(folders.SetEquals(Nodes.Values),
            $"docs/architecture.md: its diagram lacks {Text(folders.Except(Nodes.Values))}; no folders are "
            + $"{Text(Nodes.Values.Except(folders))}");
    }

    [Fact]
    public void Diagram_Arrows_AreTheDependencies()
    {
        var found = Dependencies();
        var missing = found.Where(pair => !Reaches(pair.From, pair.To)).Select(pair => $"{pair.From} --> {pair.To}");
        var surplus = Arrows.Except(found).Select(pair => $"{pair.From} --> {pair.To}");
        Assert.True(!missing.Any() && !surplus.Any(),
            $"docs/architecture.md: its diagram lacks {Text(missing)}; the sources have no {Text(surplus)}");
    }

    [Fact]
    public void Diagram_EachNameOnThePage_IsInTheSources()
    {
        string sources = string.Concat(Sources().Select(source => source.Path + "\n" + source.Text))
            + File.ReadAllText(Path.Combine(Root, "include/s3dlio.h"));
        string[] names =
            [.. PageName().Matches(Page).SelectMany(
                    match => match.Groups[1].Value.Split('.')).Where(name => name is not ("py" or "cs" or "h")).Distinct()];
        Assert.True(names.Length > 30);
        Assert.DoesNotContain(names, name => !Regex.IsMatch(sources, $@"(?<!\w){Regex.Escape(name)}(?!\w)"));
    }

    static HashSet<(string From, string To)> Dependencies()
    {
        var found = new HashSet<(string, string)>();
        foreach (var (path, text) in Sources())
        {
            if (!path.StartsWith(Core, StringComparison.Ordinal) || path == Factory)
                continue;
            string from = Room(path.Split('/')[2..^1]);
            // a file beside the folders
            if (from.Length == 0)
                continue;
            // C# sees the types of the enclosing namespaces without a using
            if (from.LastIndexOf('/') is > 0 and var end)
                found.Add((from, Room(from[..end].Split('/'))));
            foreach (string[] name in Names(Code(text)))
            {
                if (Room(name) is { Length: > 0 } to && to != from)
                    found.Add((from, to));
            }
        }
        return found;
    }

    /// <summary>The deepest folder of Core that the parts of a path or a name lead into; empty for none.</summary>
    static string Room(string[] parts)
    {
        string room = "";
        foreach (string part in parts)
        {
            string next = room.Length == 0 ? part : $"{room}/{part}";
            if (!Directory.Exists(Path.Combine(Root, Core, next)))
                break;
            room = next;
        }
        return room;
    }

    static bool Reaches(string from, string to)
    {
        var seen = new HashSet<string> { from };
        var open = new Queue<string>(seen);
        while (open.TryDequeue(out string? at))
        {
            if (at == to)
                return true;
            foreach (var (_, next) in Arrows.Where(arrow => arrow.From == at))
            {
                if (seen.Add(next))
                    open.Enqueue(next);
            }
        }
        return false;
    }

    static string Text(IEnumerable<string> items) => items.Any() ? string.Join(", ", items.Order(StringComparer.Ordinal)) : "nothing";

    [GeneratedRegex(@"^ +(\w+)\[""([\w/]+)<br/>[^""]*""\]$", RegexOptions.Multiline)]
    private static partial Regex Node();

    [GeneratedRegex(@"^ +(\w+) --> (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Arrow();

    [GeneratedRegex(@"`(\w+(?:\.\w+)*)`")]
    private static partial Regex PageName();
}
