using System.Text;

namespace S3dlio.Storage;

/// <summary>The rules that keys obey on every store.</summary>
public static class ObjectKey
{
    /// <summary>S3's limit; Azure allows as many characters.</summary>
    public const int MaxUtf8Length = 1024;

    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="StoreException">InvalidArgument when no store could hold an object of that name.</exception>
    public static void Check(StoreUri root, string key)
    {
        if (key.Length == 0)
            throw new StoreException(ErrorKind.InvalidArgument, root.ToString(), "the key is empty: the address names a container, not an object");
        if (key.Contains('\0', StringComparison.Ordinal))
            throw new StoreException(ErrorKind.InvalidArgument, root.Child(key.Replace("\0", "\\0", StringComparison.Ordinal)), "the key holds a NUL character");
        if (key[^1] == '/')
            throw new StoreException(ErrorKind.InvalidArgument, root.Child(key), "the key ends with '/': it names a directory or prefix, not an object");
        CheckText(root, key);
    }

    /// <summary>The same for a key that a listing gave: other programs mark directories with objects whose keys end with <c>/</c>.</summary>
    public static void CheckListed(StoreUri root, string key) => Check(root, key.Length > 1 ? key.TrimEnd('/') is { Length: > 0 } name ? name : "x" : key);

    /// <summary>The same for a prefix, which may be empty and may end with <c>/</c>.</summary>
    public static void CheckPrefix(StoreUri root, string prefix)
    {
        if (prefix.Contains('\0', StringComparison.Ordinal))
            throw new StoreException(ErrorKind.InvalidArgument, root.Child(prefix.Replace("\0", "\\0", StringComparison.Ordinal)), "the prefix holds a NUL character");
        CheckText(root, prefix);
    }

    static void CheckText(StoreUri root, string key)
    {
        int length;
        try
        {
            length = Strict.GetByteCount(key);
        }
        catch (EncoderFallbackException)
        {
            throw new StoreException(ErrorKind.InvalidArgument, root.ToString(), "the key is not valid Unicode: it holds half of a surrogate pair");
        }
        // a local path may be longer than S3's keys; its file system says so itself
        if (length > MaxUtf8Length && !root.IsLocal)
            throw new StoreException(ErrorKind.InvalidArgument, root.Child(key[..64] + "…"), $"the key has {length} bytes; at most {MaxUtf8Length} are allowed");
    }

    /// <summary>Compares as stores list: by UTF-8 bytes, which for text is by code point.</summary>
    public static int Compare(string a, string b)
    {
        int common = Math.Min(a.Length, b.Length);
        for (int i = 0; i < common; i++)
        {
            char x = a[i], y = b[i];
            if (x == y)
                continue;
            // UTF-16 puts surrogates (code points above U+FFFF) below U+E000..U+FFFF; UTF-8 puts them above
            bool xs = char.IsSurrogate(x), ys = char.IsSurrogate(y);
            return xs == ys ? x - y : xs ? 1 : -1;
        }
        return a.Length - b.Length;
    }

    public static IComparer<string> Order { get; } = Comparer<string>.Create(Compare);
}
