using System.Runtime.CompilerServices;
using Xunit;

namespace S3dlio;

/// <summary>What two files say alike belongs into one that both use.</summary>
public sealed class DuplicationTests
{
    /// <summary>Lines with something on them, one behind the other.</summary>
    const int Most = 19;

    [Fact]
    public void Core_TwoFiles_ShareNoPassage()
    {
        string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../S3dlio.Core"));
        var files = Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Select(file => (Name: Path.GetRelativePath(root, file), Lines: File.ReadAllLines(file)))
            .Where(file => !file.Name.Split('/').Any(part => part is "bin" or "obj")).ToArray();
        Assert.True(files.Length > 250);
        Assert.Empty(Shared(files));
    }

    [Theory]
    [InlineData(Most, 0)]
    [InlineData(Most + 1, 1)]
    [InlineData(Most + 5, 1)]
    public void Shared_PassageOfSoManyLines_IsFoundOnce(int length, int found)
    {
        string[] passage = [.. Enumerable.Range(0, length).SelectMany(i => new[] { $"    line {i}", "" })];
        (string, string[])[] files =
        [
            ("a", ["using A;", "a", .. passage, "a end"]), ("b", ["b", "b", .. passage.Select(line => line.Trim()), "b end"]),
            ("c", ["c"]),
        ];
        Assert.Equal(found, Shared(files).Count());
    }

    /// <summary>Each pair of files that has a passage in common, with where it begins.</summary>
    static IEnumerable<string> Shared((string Name, string[] Lines)[] files)
    {
        var known = new Dictionary<string, (string Name, int Line)>(StringComparer.Ordinal);
        var pairs = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, lines) in files)
        {
            var said = lines.Select((line, i) => (Text: line.Trim(), Number: i + 1))
                .Where(line => line.Text.Length > 0 && !line.Text.StartsWith("using ", StringComparison.Ordinal)).ToArray();
            for (int i = 0; i + Most < said.Length; i++)
            {
                string passage = string.Join('\n', said[i..(i + Most + 1)].Select(line => line.Text));
                if (!known.TryAdd(passage, (name, said[i].Number)) && known[passage] is var first && first.Name != name)
                    pairs.TryAdd($"{first.Name} and {name}", $"lines {first.Line} and {said[i].Number} on");
            }
        }
        return pairs.Select(pair => $"{pair.Key}: {pair.Value}");
    }

    static string ThisFile([CallerFilePath] string path = "") => path;
}
