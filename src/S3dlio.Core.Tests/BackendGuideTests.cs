using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using S3dlio.Storage.Remote;
using Xunit;

namespace S3dlio;

/// <summary>
/// docs/adding-a-backend.md names files, types and members: they exist, and each member that a dialect has to have is named.
/// </summary>
public sealed partial class BackendGuideTests
{
    static readonly string Text = File.ReadAllText(Path.Combine(Root, "docs/adding-a-backend.md"));

    /// <summary>Names of what does not exist yet.</summary>
    static readonly Regex Planned = PlannedName();

    static IEnumerable<string> Named => Code().Matches(Text).Select(match => match.Groups[1].Value).Distinct();

    [Fact]
    public void Guide_EachFileNamed_Exists()
    {
        var files = Named.Where(name => name.Contains('/', StringComparison.Ordinal) || name.EndsWith(".cs", StringComparison.Ordinal))
            .Where(name => !Planned.IsMatch(name) && !name.Contains("://", StringComparison.Ordinal)).ToArray();
        Assert.True(files.Length > 10);
        Assert.DoesNotContain(files, name => !Exists(name) && !Exists("src/S3dlio.Core/Storage/" + name));
    }

    [Fact]
    public void Guide_EachTypeAndMemberNamed_Exists()
    {
        var types = typeof(RemoteStore).Assembly.GetTypes().Concat(typeof(BackendGuideTests).Assembly.GetTypes()).ToArray();
        var names = types.Select(
            type => type.Name).Concat(types.Where(type => type.Namespace?.StartsWith("S3dlio.Storage", StringComparison.Ordinal) == true)
            .SelectMany(type => type.GetMembers(All)).Select(member => member.Name)).ToHashSet(StringComparer.Ordinal);
        string[] folders = ["Local", "Memory"];
        var said = Named.Where(name => Identifier().IsMatch(name) && !Planned.IsMatch(name) && !folders.Contains(name)).ToArray();
        Assert.True(said.Length > 20);
        Assert.Empty(said.Except(names));
    }

    [Fact]
    public void Guide_EachAbstractMemberOfTheEngine_IsKnownToBothDialects()
    {
        // what a dialect has to say is what the engine leaves open: the bases of the guide's five classes, and the upload
        var open = new[] { typeof(RemoteStore), typeof(RemoteClient), typeof(ServiceError), typeof(RemoteContainers), typeof(PartUpload) };
        foreach (var type in open)
        {
            Assert.True(type.IsAbstract && type.GetMethods(All).Any(method => method.IsAbstract), type.Name);
            Assert.Contains($"`{type.Name}`", Text, StringComparison.Ordinal);
            Assert.Equal(2, type.Assembly.GetTypes().Count(found => found.BaseType == type));
        }
    }

    [Fact]
    public void Guide_EstimateOfAThirdDialect_AddsUp()
    {
        var rows = Row().Matches(
            Text).Select(match => int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal((11, 900), (rows.Length, rows.Sum()));
        Assert.Contains("| **eleven files** | **900** |", Text, StringComparison.Ordinal);
    }

    const System.Reflection.BindingFlags All = System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.NonPublic
        | System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.DeclaredOnly;

    static bool Exists(string name) => Path.Combine(Root, name) is var path && (File.Exists(path) || Directory.Exists(path));

    static string Root => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../.."));

    static string ThisFile([CallerFilePath] string path = "") => path;

    [GeneratedRegex(@"`([^`\s]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"^Gcs\w+")]
    private static partial Regex PlannedName();

    [GeneratedRegex(@"^[A-Z]\w+$")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"^\| `Gcs\S+` \| (\d+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
