using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace S3dlio;

/// <summary>The line length that .editorconfig declares for C#; dotnet format does not enforce it.</summary>
public sealed partial class LineLengthTests
{
    /// <summary>Folders in which a line may be longer where a string in it is test data.</summary>
    static readonly string[] Data = ["src/S3dlio.Core.Tests/", "tests/"];

    static readonly int Most = int.Parse(
        Declared().Match(File.ReadAllText(Path.Combine(Root, ".editorconfig"))).Groups[1].Value, CultureInfo.InvariantCulture);

    [Fact]
    public void Sources_EachLine_HasTheDeclaredLength()
    {
        string[] files = ["build.cs", .. new[] { "src", "native", "tests", "bench" }.SelectMany(Sources)];
        Assert.True(files.Length > 300);
        Assert.Empty(files.SelectMany(file => TooLong(file, File.ReadAllLines(Path.Combine(Root, file)))));
    }

    [Theory]
    [InlineData("src/S3dlio.Core/X.cs", 1, 140, 0)]
    [InlineData("src/S3dlio.Core/X.cs", 1, 141, 1)]
    [InlineData("tests/fuzz/X.cs", 1, 141, 1)]
    [InlineData("src/S3dlio.Core/X.cs", 100, 141, 1)]
    [InlineData("tests/fuzz/X.cs", 100, 141, 0)]
    public void TooLong_Line_IsFoundUnlessItIsData(string file, int literal, int length, int found)
    {
        string line = $"    string text = \"{new string('a', literal)}\";";
        Assert.Equal(found, TooLong(file, [line.PadRight(length - 1) + ";"]).Count());
    }

    static IEnumerable<string> TooLong(string file, string[] lines)
    {
        bool isData = Data.Any(folder => file.StartsWith(folder, StringComparison.Ordinal)), inRaw = false;
        for (int i = 0; i < lines.Length; i++)
        {
            bool raw = inRaw || lines[i].Contains("\"\"\"", StringComparison.Ordinal);
            inRaw ^= RawQuotes().Count(lines[i]) % 2 == 1;
            if (lines[i].Length > Most && !(isData && (raw || LongLiteral().IsMatch(lines[i]))))
                yield return $"{file}:{i + 1}: {lines[i].Length} characters, expected at most {Most}";
        }
    }

    static IEnumerable<string> Sources(string folder) => Directory
        .EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(Root, file))
        .Where(file => !file.Split('/').Any(part => part is "bin" or "obj"));

    static string Root => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../.."));

    static string ThisFile([CallerFilePath] string path = "") => path;

    [GeneratedRegex(@"^max_line_length = (\d+)$", RegexOptions.Multiline)]
    private static partial Regex Declared();

    [GeneratedRegex("\"{3,}")]
    private static partial Regex RawQuotes();

    /// <summary>A string literal of 60 characters or more.</summary>
    [GeneratedRegex("\"(?:\\\\.|[^\"\\\\]){60,}\"")]
    private static partial Regex LongLiteral();
}
