using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace S3dlio.Fuzz;

/// <summary>Inputs that once showed a fault, one file each in the folder of their parser.</summary>
public static class Corpus
{
    public static string Folder { get; } = Path.Combine(Here(), "corpus");

    public static IEnumerable<(string File, byte[] Input)> Of(Target target)
    {
        string folder = Path.Combine(Folder, target.Name);
        return Directory.Exists(folder)
            ? Directory.EnumerateFiles(
                folder).Order(StringComparer.Ordinal).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))
            : [];
    }

    /// <summary>Keeps an input under the hash of its bytes.</summary>
    public static string Keep(Finding finding)
    {
        string folder = Directory.CreateDirectory(Path.Combine(Folder, finding.Target)).FullName;
        string file = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(finding.Input).AsSpan(0, 6)));
        File.WriteAllBytes(file, finding.Input);
        return file;
    }

    static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
