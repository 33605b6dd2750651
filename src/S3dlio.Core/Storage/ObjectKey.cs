using System.Text;
using S3dlio.IO;

namespace S3dlio.Storage;

/// <summary>The rules that keys obey on every store.</summary>
public static class ObjectKey
{
    /// <summary>S3's limit; Azure allows as many characters.</summary>
    public const int MaxUtf8Length = 1024;

    /// <exception cref="StoreException">InvalidArgument when no store could hold an object of that name.</exception>
    public static void Check(StoreUri root, string key)
    {
        if (key.Length == 0)
            throw StoreException.InvalidArgument(root.ToString(), "the key is empty: the address names a container, not an object");
        if (key.Contains('\0', StringComparison.Ordinal))
            throw StoreException.InvalidArgument(root.Child(key.Replace("\0", "\\0", StringComparison.Ordinal)),
                "the key holds a NUL character");
        if (key[^1] == '/')
            throw StoreException.InvalidArgument(root.Child(key), "the key ends with '/': it names a directory or prefix, not an object");
        CheckText(root, key);
    }

    /// <summary>
    /// The same for a key that a listing gave: other programs mark directories with objects whose keys end with <c>/</c>.
    /// </summary>
    public static void CheckListed(StoreUri root, string key) =>
        Check(root, key.Length > 1 ? key.TrimEnd('/') is { Length: > 0 } name ? name : "x" : key);

    /// <summary>The same for a prefix, which may be empty and may end with <c>/</c>.</summary>
    public static void CheckPrefix(StoreUri root, string prefix)
    {
        if (prefix.Contains('\0', StringComparison.Ordinal))
            throw StoreException.InvalidArgument(root.Child(prefix.Replace("\0", "\\0", StringComparison.Ordinal)),
                "the prefix holds a NUL character");
        CheckText(root, prefix);
    }

    static void CheckText(StoreUri root, string key)
    {
        CheckUnicode(root, key);
        // a local path may be longer than S3's keys; its file system says so itself
        if (!root.IsLocal && Encoding.UTF8.GetByteCount(key) is var length && length > MaxUtf8Length)
            throw StoreException.InvalidArgument(root.Child(key[..64] + "…"),
                $"the key has {length} bytes; at most {MaxUtf8Length} are allowed");
    }

    /// <summary>Keys are text; those of local files may hold what <see cref="PathText"/> makes of other bytes.</summary>
    public static void CheckUnicode(StoreUri root, string key)
    {
        if (root.IsLocal ? PathText.ByteCount(key) is null : !PathText.IsUnicode(key))
            throw new StoreException(ErrorKind.InvalidArgument, root.Child(key), root.IsLocal
                ? "the key is not valid Unicode: it holds half of a surrogate pair that stands for no byte"
                : "the key is not valid Unicode: it holds bytes that are not UTF-8, or half of a surrogate pair. Only local files may have "
                + "such names; give the object another one");
    }

    /// <summary>Compares as stores list: by bytes, which for text is by code point.</summary>
    public static int Compare(string a, string b)
    {
        int common = Math.Min(a.Length, b.Length);
        for (int i = 0; i < common; i++)
        {
            char x = a[i], y = b[i];
            if (x == y)
                continue;
            if (IsLone(a, i) || IsLone(b, i))
                return PathText.Encode(a.AsSpan(i)).AsSpan().SequenceCompareTo(PathText.Encode(b.AsSpan(i)));
            // UTF-16 puts surrogates (code points above U+FFFF) below U+E000..U+FFFF; UTF-8 puts them above
            bool xs = char.IsSurrogate(x), ys = char.IsSurrogate(y);
            return xs == ys ? x - y : xs ? 1 : -1;
        }
        return a.Length - b.Length;
    }

    static bool IsLone(string text, int at) => char.IsLowSurrogate(text[at]) && (at == 0 || !char.IsHighSurrogate(text[at - 1]));

    public static IComparer<string> Order { get; } = Comparer<string>.Create(Compare);
}
