using System.Buffers;
using System.Globalization;
using System.Text;

namespace S3dlio.Storage.Local;

/// <summary>A name in a directory, as the kernel knows it: bytes, with a NUL behind them, which need not be UTF-8.</summary>
readonly struct FileName(byte[] terminated)
{
    public static readonly FileName Parent = Of(".."u8);

    public static FileName Of(ReadOnlySpan<byte> name)
    {
        var terminated = new byte[name.Length + 1];
        name.CopyTo(terminated);
        return new FileName(terminated);
    }

    public static FileName Of(string name) => Of(Encoding.UTF8.GetBytes(name));

    /// <summary>For calls of libc.</summary>
    public byte[] Terminated => terminated;

    public bool IsText => System.Text.Unicode.Utf8.IsValid(Bytes);

    /// <summary>Whether it is the name of an object in the making.</summary>
    public bool IsTemporary => Bytes.StartsWith(".s3dlio-"u8) && IsText && Temporaries.IsName(ToString());

    ReadOnlySpan<byte> Bytes => terminated.AsSpan(0, terminated.Length - 1);

    /// <summary>For messages: bytes that are no UTF-8 as <c>\xff</c>.</summary>
    public override string ToString()
    {
        var left = Bytes;
        if (IsText)
            return Encoding.UTF8.GetString(left);
        var text = new StringBuilder();
        while (!left.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(left, out var rune, out int used);
            if (status == OperationStatus.Done)
                text.Append(rune.ToString());
            else
                foreach (byte one in left[..used])
                    text.Append(CultureInfo.InvariantCulture, $"\\x{one:x2}");
            left = left[used..];
        }
        return text.ToString();
    }
}
