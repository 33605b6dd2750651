using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace S3dlio;

/// <summary>Reads the sources and fails when one part knows another that it must not know.</summary>
public sealed partial class LayeringTests
{
    /// <summary>Lowest first; a layer knows itself and those before it.</summary>
    static readonly string[] Layers =
        ["Hashing", "IO", "Compression", "Segments", "Http", "Storage", "Transfer", "Datasets", "Tensors", "Checkpoint"];

    /// <summary>The one file that knows every backend.</summary>
    const string Factory = "src/S3dlio.Core/Storage/StoreFactory.cs";

    /// <summary>The floors below the library's own error: each has an exception of its own, which is translated above.</summary>
    static readonly string[] Below = ["Hashing", "IO", "Compression", "Segments"];

    /// <summary>The engine of the object services; only its dialects, which are the folders in it, know it.</summary>
    const string Engine = "Remote";

    /// <summary>Vendors' namespaces, and the one file that may know each, of a program of its own.</summary>
    /// <summary>The types beside the folders.</summary>
    static readonly string[] Beside = ["ErrorKind", "ErrorReason", "Events", "StoreException"];

    static readonly (string Namespace, string Home)[] Vendors =
    [
        ("Amazon", "src/S3dlio.Cli/Credentials/AmazonChain.cs"),
        ("Azure", "src/S3dlio.Cli/Credentials/MicrosoftChain.cs"),
    ];

    /// <summary>Files of Core with raw pointers, and why each cannot do without.</summary>
    static readonly (string File, string Reason)[] Pointers =
    [
        ("src/S3dlio.Core/IO/AlignedBuffer.cs", "native memory that O_DIRECT reads into, handed out as Memory<byte>"),
        ("src/S3dlio.Core/IO/Interop.cs", "the system calls of the lowest floor"),
        ("src/S3dlio.Core/IO/Interop.Memory.cs", "the same"),
        ("src/S3dlio.Core/IO/Interop.Names.cs", "the same"),
        ("src/S3dlio.Core/Table/KeyIndex.cs", "native memory of keys and locations, asked for ahead of use"),
        ("src/S3dlio.Core/Table/PageArena.cs", "native memory of pages, in huge pages"),
        ("src/S3dlio.Core/Table/RowCache.cs", "native memory of rows"),
        ("src/S3dlio.Core/Table/Shard.cs", "rows in pages, asked for ahead of use"),
        ("src/S3dlio.Core/Table/Shard.Pages.cs", "pages, and rows as they were"),
        ("src/S3dlio.Core/Table/EmbeddingTable.Files.cs", "the caller's rows, which threads that read files fill"),
        ("src/S3dlio.Core/IO/PathText.cs", "paths as libc takes them, without an array for each"),
    ];

    [Fact]
    public void Sources_EveryArrow_PointsTheRightWay()
    {
        var sources = Sources().ToArray();
        Assert.Contains(sources, source => source.Path == Factory);
        Assert.Contains(sources, source => source.Path == "native/Handles.cs");
        Assert.Contains(sources, source => source.Path == "python/s3dlio/_core/_native.py");
        Assert.Empty(sources.SelectMany(source => Check(source.Path, source.Text)));
    }

    [Fact]
    public void AllowedPointers_EachFile_StillNeedsThem()
    {
        foreach (var (file, _) in Pointers)
            Assert.Matches(RawPointer(), Code(File.ReadAllText(Path.Combine(Root, file))));
    }

    [Fact]
    public void Layers_EachFolderOfCore_IsKnown()
    {
        // Log, Table, Cache and OpLog stand beside Checkpoint: they build on the layers below
        string[] known = [.. Layers, "Log", "Table", "Cache", "OpLog", "bin", "obj"];
        var found = Directory.EnumerateDirectories(Path.Combine(Root, "src/S3dlio.Core")).Select(folder => Path.GetFileName(folder)!);
        Assert.Empty(found.Except(known));
    }

    [Theory]
    // a higher layer: by using, by alias, by static using, by name, by the rest of a name, by the namespace it says it is in
    [InlineData("src/S3dlio.Core/Hashing/X.cs", "using S3dlio.Storage;")]
    [InlineData("src/S3dlio.Core/Compression/X.cs", "using S3dlio.Storage.Local;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "using Reads = S3dlio.Transfer.ParallelRead;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "using static S3dlio.Transfer.ParallelRead;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "namespace S3dlio.Storage; class X { Transfer.ITransferProgress? p; }")]
    [InlineData("src/S3dlio.Core/Transfer/X.cs", "class X { global::S3dlio.Tensors.NpyObject? a; }")]
    [InlineData("src/S3dlio.Core/Transfer/X.cs", "class X { S3dlio . Tensors . NpyObject? a; }")]
    [InlineData("src/S3dlio.Core/Tensors/X.cs", "using S3dlio.Checkpoint;")]
    [InlineData("src/S3dlio.Core/Transfer/X.cs", "using S3dlio.Datasets;")]
    [InlineData("src/S3dlio.Core/Datasets/X.cs", "using S3dlio.Log;")]
    [InlineData("src/S3dlio.Core/Hashing/X.cs", "namespace S3dlio.Storage;")]
    [InlineData("src/S3dlio.Core/IO/X.cs", "using S3dlio.Storage;")]
    [InlineData("src/S3dlio.Core/IO/X.cs", "using S3dlio.Segments;")]
    [InlineData("src/S3dlio.Core/Segments/X.cs", "using S3dlio.Log;")]
    [InlineData("src/S3dlio.Core/Segments/X.cs", "using S3dlio.Storage;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "using S3dlio.Segments;")]
    [InlineData("src/S3dlio.Core/Tensors/X.cs", "using S3dlio.Native;")]
    // a backend that knows more than Storage, or another backend
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs", "using S3dlio.Storage.Memory;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "class X { Local.LocalError? e; }")]
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "using S3dlio.Transfer;")]
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs", "using S3dlio.Compression;")]
    [InlineData("src/S3dlio.Core/Storage/PrefixStore.cs", "using S3dlio.Storage.Local;")]
    [InlineData("src/S3dlio.Core/Transfer/X.cs", "using S3dlio.Storage.Local;")]
    [InlineData("src/S3dlio.Core/Transfer/X.cs", "using S3dlio.Http;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "using S3dlio.Http;")]
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs", "using S3dlio.Http;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "namespace S3dlio.Storage; class X { Http.HttpCall? c; }")]
    [InlineData("src/S3dlio.Core/Cache/X.cs", "using S3dlio.Http;")]
    // the client of HTTP knows no store; floors below it do not know the library's error; what lies beside the folders knows IO alone
    [InlineData("src/S3dlio.Core/Http/X.cs", "using S3dlio.Storage;")]
    [InlineData("src/S3dlio.Core/Http/X.cs", "using S3dlio.Storage.Remote.S3;")]
    [InlineData("src/S3dlio.Core/Http/X.cs", "using S3dlio.Segments;")]
    [InlineData("src/S3dlio.Core/IO/X.cs", "class X { void F() => throw new StoreException(default, string.Empty, string.Empty); }")]
    [InlineData("src/S3dlio.Core/Segments/X.cs", "class X { void F() => Events.Tell(default, default!); }")]
    [InlineData("src/S3dlio.Core/StoreException.cs", "using S3dlio.Storage;")]
    // a dialect that knows the other one, the engine that knows a dialect, a backend that knows the engine
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "using S3dlio.Storage.Remote.Azure;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/Azure/X.cs", "class X { S3.S3Store? s; }")]
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "class X { Remote.Azure.AzureStore? s; }")]
    [InlineData("src/S3dlio.Core/Storage/Remote/X.cs", "using S3dlio.Storage.Remote.S3;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/X.cs", "using S3dlio.Transfer;")]
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs", "using S3dlio.Storage.Remote;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "using S3dlio.Storage.Remote.S3;")]
    // a vendor outside its backend
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "using Amazon.S3;")]
    [InlineData("src/S3dlio.Cli/Credentials/MicrosoftChain.cs", "using Amazon.S3;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "using Azure.Storage.Blobs;")]
    [InlineData("src/S3dlio.Core/Storage/StoreFactory.cs", "class X { object o = new Amazon.S3.AmazonS3Client(); }")]
    [InlineData("native/X.cs", "using Azure;")]
    // exports, handles and pointers
    [InlineData("src/S3dlio.Core/Storage/X.cs", "[UnmanagedCallersOnly] static void F() { }")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "class X { GCHandle h; }")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "static class Handles { }")]
    [InlineData("src/S3dlio.Core/Hashing/X.cs", "static unsafe class X { }")]
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs",
            "class X { [LibraryImport(\"libc\", SetLastError = true)] static partial int close(int fd); }")]
    [InlineData("src/S3dlio.Core/Log/X.cs", "class X { [DllImport( \"libc.so.6\")] static extern int close(int fd); }")]
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs", "class X { void F(byte* p) { } }")]
    [InlineData("src/S3dlio.Core/Tensors/X.cs", "class X { delegate*<int, void> f; }")]
    [InlineData("python/s3dlio/_core/_view.py", "import ctypes")]
    [InlineData("python/s3dlio/torch.py", "    from ctypes import c_int")]
    [InlineData("python/s3dlio/_core/_view.py", "import os, ctypes as c")]
    [InlineData("python/s3dlio/_core/_view.py", "from _ctypes import dlopen")]
    [InlineData("python/s3dlio/_core/_view.py", "importlib.import_module('ctypes')")]
    public void Check_PlantedViolation_IsFound(string path, string text) => Assert.Single(Check(path, text));

    [Theory]
    [InlineData("src/S3dlio.Core/Checkpoint/X.cs", "using S3dlio.Hashing;\nusing S3dlio.Tensors;\nnamespace S3dlio.Checkpoint;")]
    [InlineData("src/S3dlio.Core/Segments/X.cs", "using S3dlio.Hashing;\nusing S3dlio.IO;\nnamespace S3dlio.Segments;")]
    [InlineData("src/S3dlio.Core/Log/X.cs", "using S3dlio.IO;\nusing S3dlio.Segments;\nusing S3dlio.Storage;\nnamespace S3dlio.Log;")]
    [InlineData("src/S3dlio.Core/Storage/Local/X.cs", "using S3dlio.Hashing;\nusing S3dlio.IO;\nnamespace S3dlio.Storage.Local;")]
    [InlineData("src/S3dlio.Core/IO/X.cs", "class X { [LibraryImport(\"libc\")] static partial int close(int fd); }")]
    [InlineData("src/S3dlio.Core/Storage/StoreFactory.cs", "using S3dlio.Storage.Local;\nusing S3dlio.Storage.Memory;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "using S3dlio.Http;\nusing static S3dlio.ErrorKind;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/S3/X.cs", "using S3dlio.Storage.Remote;\nnamespace S3dlio.Storage.Remote.S3;")]
    [InlineData("src/S3dlio.Core/Storage/Remote/X.cs", "using S3dlio.Http;\nnamespace S3dlio.Storage.Remote;")]
    [InlineData("src/S3dlio.Core/Http/X.cs", "using S3dlio.IO;\nnamespace S3dlio.Http; class X { StoreException? e; }")]
    [InlineData("src/S3dlio.Core/StoreException.cs", "using S3dlio.IO;\nnamespace S3dlio; class X { }")]
    [InlineData("src/S3dlio.Cli/Credentials/AmazonChain.cs", "using Amazon.Runtime;")]
    [InlineData("src/S3dlio.Core/Storage/X.cs",
            "// unsafe, byte*, S3dlio.Tensors: words in a comment\n/// <see cref=\"Transfer.ITransferProgress\"/>\nclass X { string s = "
            + "\"using Amazon; unsafe byte* p\"; }")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "class X { int a = 2 * 3; Hashing.Checksum c; long F(int b) => a * b; }")]
    [InlineData("src/S3dlio.Core/Storage/X.cs", "class X { bool Local; bool F(X x) => x.Local.Equals(true) && Local.Equals(true); }")]
    [InlineData("native/X.cs", "using S3dlio.Checkpoint;\nstatic unsafe class X { [UnmanagedCallersOnly] static void F(byte* p) { } }")]
    [InlineData("python/s3dlio/_core/_native.py", "import ctypes as c")]
    [InlineData("python/s3dlio/_core/_view.py", "# the only file that knows ctypes is _native\nfrom . import _native")]
    public void Check_AllowedSource_IsPassed(string path, string text) => Assert.Empty(Check(path, text));

    /// <summary>What is wrong with a source, in words; nothing when all is well.</summary>
    static IEnumerable<string> Check(string path, string text)
    {
        if (path.EndsWith(".py", StringComparison.Ordinal))
            return path != "python/s3dlio/_core/_native.py"
                && CtypesImport().IsMatch(text)
                    ? [$"{path}: only _native.py knows ctypes"]
                    : [];
        string code = Code(text);
        IEnumerable<string> faults = CheckVendors(path, code);
        if (LibcImport().IsMatch(text) && path.StartsWith("src/", StringComparison.Ordinal)
                && !path.StartsWith("src/S3dlio.Core/IO/", StringComparison.Ordinal))
            faults = faults.Append($"{path}: imports libc; only src/S3dlio.Core/IO does");
        return path.StartsWith("src/S3dlio.Core/", StringComparison.Ordinal)
            ? faults.Concat(CheckLayers(path, code)).Concat(CheckNative(path, code)).Distinct()
            : faults;
    }

    static IEnumerable<string> CheckVendors(string path, string code)
    {
        foreach (var (vendor, home) in Vendors)
        {
            // a backend's own namespace may have its vendor's name; the package is not there to be had
            if (!path.StartsWith(home, StringComparison.Ordinal)
                    && !path.StartsWith($"src/S3dlio.Core/Storage/{Engine}/{vendor}/", StringComparison.Ordinal)
                    && Regex.IsMatch(code, $@"(?<![\w.])(global::)?{vendor}\.\w|\busing\s+{vendor}\s*;"))
                yield return $"{path}: {vendor} is known in {home} only";
        }
    }

    static IEnumerable<string> CheckLayers(string path, string code)
    {
        string[] folders = path.Split('/')[2..^1];
        string layer = folders.FirstOrDefault() ?? "";
        string? backend = layer == "Storage" ? Backend(folders) : null;
        bool isRemote = backend is not null && folders[1] == Engine;
        // what lies beside the folders is every floor's from Http on, and stands on the machine
        int rank = Array.IndexOf(Layers, layer.Length == 0 ? "IO" : layer);
        if (Below.Contains(layer) && OwnError().IsMatch(code))
            yield return $"{path}: {layer} knows the library's error or its events; it has an exception of its own";
        foreach (string[] name in Names(code).Where(static name => !Beside.Contains(name[0])))
        {
            int other = name[0] is "Log" or "Table" or "Cache" or "OpLog" ? Layers.Length : Array.IndexOf(Layers, name[0]);
            if (name[0] == "Native")
                yield return $"{path}: Core knows S3dlio.Native";
            // Log, Table and Cache have no rank: they may know every layer
            else if (other > rank && rank >= 0)
                yield return $"{path}: {layer} knows {name[0]}";
            else if (name[0] == "Segments" && rank >= 0 && layer != "Segments")
                yield return $"{path}: {layer} knows Segments; only what keeps a log or a table does";
            else if (name[0] == "Http" && layer != "Http" && !isRemote)
                yield return $"{path}: {layer} knows Http; only Storage/{Engine} does";
            else if (backend is not null && name[0] is not ("Storage" or "Http" or "Hashing" or "IO"))
                yield return $"{path}: the backend {backend} knows {name[0]}; it may know Storage, Hashing, IO and, of HTTP, Http";
            else if (Backend(name) is { } known && known != backend && path != Factory && !(known == Engine && Dialects.Contains(backend)))
                yield return $"{path}: knows the backend {known}; only {Factory} does";
        }
    }

    /// <summary>The backend, dialect or shared folder that a path or name of Storage leads into; null for Storage itself.</summary>
    static string? Backend(string[] parts) =>
        parts[0] != "Storage" || parts.Length < 2 || !Backends.Contains(parts[1]) ? null
        : parts[1] == Engine && parts.Length > 2 && Dialects.Contains(parts[2]) ? parts[2] : parts[1];

    static IEnumerable<string> CheckNative(string path, string code)
    {
        if (Export().IsMatch(code))
            yield return $"{path}: exports and handles are native/'s";
        if (RawPointer().IsMatch(code) && !Pointers.Any(allowed => allowed.File == path))
            yield return $"{path}: has raw pointers and is not in the list of those that may";
    }

    /// <summary>
    /// Qualified names of ours: behind <c>S3dlio.</c>, or begun at a layer's or a backend's name, as C# allows within the namespace. The
    /// latter count when the next part is a type there: a property can be called Memory too.
    /// </summary>
    static IEnumerable<string[]> Names(string code)
    {
        foreach (Match match in OurName().Matches(code))
            yield return [.. match.Groups[1].Value.Split('.').Select(part => part.Trim())];
        foreach (Match match in ShortName().Matches(code))
        {
            var (first, second) = (match.Groups[1].Value, match.Groups[2].Value);
            if (Layers.Contains(first) && Types(first).Contains(second))
                yield return [first, second];
            else if (Backends.Contains(first) && Types("Storage/" + first).Contains(second))
                yield return ["Storage", first, second];
            else if (Dialects.Contains(first) && Types($"Storage/{Engine}/{first}").Contains(second))
                yield return ["Storage", Engine, first];
        }
    }

    /// <summary>The types in a folder of Core itself, and its folders as the next parts of names.</summary>
    static HashSet<string> Types(string folder) => Declared.GetOrAdd(folder, static folder =>
    {
        string path = Path.Combine(Root, "src/S3dlio.Core", folder);
        if (!Directory.Exists(path))
            return [];
        return
        [
            .. Directory.EnumerateDirectories(path).Select(below => Path.GetFileName(below)!),
            .. Directory.EnumerateFiles(
                path, "*.cs").SelectMany(file => TypeName().Matches(Code(File.ReadAllText(file)))).Select(match => match.Groups[1].Value),
        ];
    });

    static readonly ConcurrentDictionary<string, HashSet<string>> Declared = new();

    static readonly string[] Backends = [.. Folders("Storage").Union(["Local", "Memory", Engine])];

    static readonly string[] Dialects = [.. Folders("Storage/" + Engine)];

    static IEnumerable<string> Folders(string folder) =>
        Directory.EnumerateDirectories(Path.Combine(Root, "src/S3dlio.Core", folder)).Select(path => Path.GetFileName(path)!);

    /// <summary>The text without comments and without what strings say.</summary>
    static string Code(string text) => CommentOrString().Replace(text, match => match.Value[0] == '/' ? " " : "\"\"");

    static IEnumerable<(string Path, string Text)> Sources()
    {
        foreach (var (folder, pattern) in new[] {
                ("src/S3dlio.Core", "*.cs"), ("src/S3dlio.Cli", "*.cs"), ("native", "*.cs"), ("python/s3dlio", "*.py") })
        {
            foreach (string file in Directory.EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories))
            {
                string path = Path.GetRelativePath(Root, file);
                if (!path.Split('/').Any(part => part is "bin" or "obj"))
                    yield return (path, File.ReadAllText(file));
            }
        }
    }

    static string Root => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../.."));

    static string ThisFile([CallerFilePath] string path = "") => path;

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/|""""""+.*?""""""+|@""(?:[^""]|"""")*""|""(?:\\.|[^""\\\n])*""|'(?:\\.|[^'\\\n])+'", RegexOptions.Singleline)]
    private static partial Regex CommentOrString();

    [GeneratedRegex(@"\bS3dlio\s*\.\s*(\w+(?:\s*\.\s*\w+)*)")]
    private static partial Regex OurName();

    /// <summary>A name of two parts that begins here: no member of something before it.</summary>
    [GeneratedRegex(@"(?<![\w.]|\.\s)(\w+)\s*\.\s*(\w+)")]
    private static partial Regex ShortName();

    [GeneratedRegex(@"\b(?:class|struct|record|enum|interface)\s+(\w+)")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"\bunsafe\b|\b(?:byte|sbyte|short|ushort|int|uint|long|ulong|nint|nuint|char|void|float|double)\s*\*+\s*(?:\w+|>|\))|\bdelegate\s*\*")]
    private static partial Regex RawPointer();

    [GeneratedRegex(@"\b(?:StoreException|ErrorKind|ErrorReason)\b|\bEvents\s*\.\s*Tell")]
    private static partial Regex OwnError();

    [GeneratedRegex(@"\b(?:LibraryImport|DllImport)\s*\(\s*""libc\b")]
    private static partial Regex LibcImport();

    [GeneratedRegex(@"\bUnmanagedCallersOnly\b|\bGCHandle\b|\bclass\s+Handles\b|\bConcurrentDictionary\s*<\s*ulong\s*,\s*object\b")]
    private static partial Regex Export();

    [GeneratedRegex(@"^\s*(?:import\s[^#\n]*\b_?ctypes\b|from\s+_?ctypes\b)|import_module\(\s*['""]_?ctypes|__import__\(\s*['""]_?ctypes", RegexOptions.Multiline)]
    private static partial Regex CtypesImport();
}
