using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;
using System.Text;
using System.Text.Unicode;

namespace S3dlio.IO;

/// <summary>
/// File names as text and back, without loss: a byte that is not part of valid UTF-8 becomes the lone surrogate U+DC80 … U+DCFF of its
/// value, as Python's <c>os.fsdecode</c> has it (PEP 383).
/// </summary>
public static class PathText
{
    const char FirstEscape = '\uDC80', LastEscape = '\uDCFF', EscapeBase = '\uDC00';

    /// <summary>Control characters, ends of lines and of paragraphs, and those that change the direction of text.</summary>
    static readonly SearchValues<char> Obeyed = SearchValues.Create(
        [.. Enumerable.Range(0, 0xa0).Select(static c => (char)c).Where(char.IsControl),
            .. "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]);

    public static string Decode(ReadOnlySpan<byte> name)
    {
        if (Utf8.IsValid(name))
            return Encoding.UTF8.GetString(name);
        var text = new StringBuilder(name.Length);
        while (!name.IsEmpty)
        {
            bool valid = Rune.DecodeFromUtf8(name, out var rune, out int used) == OperationStatus.Done;
            if (valid)
                text.Append(rune.ToString());
            else
                foreach (byte one in name[..used])
                    text.Append((char)(EscapeBase + one));
            name = name[used..];
        }
        return text.ToString();
    }

    /// <exception cref="ArgumentException">A lone surrogate stands for no byte.</exception>
    public static byte[] Encode(ReadOnlySpan<char> text)
    {
        var bytes = new byte[ByteCount(text)
                ?? throw new ArgumentException("the name holds a lone surrogate that stands for no byte", nameof(text))];
        Encode(text, bytes);
        return bytes;
    }

    /// <returns>The bytes that the text stands for, or null where a lone surrogate stands for none.</returns>
    public static int? ByteCount(ReadOnlySpan<char> text)
    {
        int count = 0;
        while (!text.IsEmpty)
        {
            var status = Rune.DecodeFromUtf16(text, out var rune, out int used);
            if (status != OperationStatus.Done && !IsEscape(text[0]))
                return null;
            count += status == OperationStatus.Done ? rune.Utf8SequenceLength : 1;
            text = text[used..];
        }
        return count;
    }

    /// <summary>Whether the text is valid Unicode: what every other store than a local one asks of its keys.</summary>
    public static bool IsUnicode(ReadOnlySpan<char> text) => FirstLone(text) < 0;

    /// <summary>Where the first surrogate stands that is half of no pair; -1 where there is none.</summary>
    public static int FirstLone(ReadOnlySpan<char> text)
    {
        for (int at = text.IndexOfAnyInRange('\uD800', '\uDFFF'); at >= 0 && at < text.Length; at++)
        {
            if (!char.IsSurrogate(text[at]))
                continue;
            if (!char.IsHighSurrogate(text[at]) || at + 1 == text.Length || !char.IsLowSurrogate(text[at + 1]))
                return at;
            at++;
        }
        return -1;
    }

    /// <summary>
    /// The text for a message: every lone surrogate as the byte that it stands for, such as <c>\xff</c>, and escaped what a terminal would
    /// obey: names and servers choose parts of messages, and none of them begins a line of a log, moves the cursor or turns text round.
    /// </summary>
    public static string Show(string text)
    {
        if (IsUnicode(text) && !text.AsSpan().ContainsAny(Obeyed))
            return text;
        var shown = new StringBuilder(text.Length + 8);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (i + 1 < text.Length && char.IsSurrogatePair(c, text[i + 1]))
                shown.Append(c).Append(text[++i]);
            else if (IsEscape(c))
                shown.Append(CultureInfo.InvariantCulture, $"\\x{c - EscapeBase:x2}");
            else if (char.IsSurrogate(c) || Obeyed.Contains(c))
                _ = c switch
                {
                    '\n' => shown.Append("\\n"),
                    '\r' => shown.Append("\\r"),
                    '\t' => shown.Append("\\t"),
                    _ => shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")
                };
            else
                shown.Append(c);
        }
        return shown.ToString();
    }

    static bool IsEscape(char c) => c is >= FirstEscape and <= LastEscape;

    static void Encode(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        while (Utf8.FromUtf16(text, bytes, out int read, out int written, replaceInvalidSequences: false) == OperationStatus.InvalidData)
        {
            bytes[written] = (byte)(text[read] - EscapeBase);
            text = text[(read + 1)..];
            bytes = bytes[(written + 1)..];
        }
    }

    /// <summary>Gives a path to libc as its bytes, with a NUL behind them.</summary>
    [CustomMarshaller(typeof(string), MarshalMode.ManagedToUnmanagedIn, typeof(ToLibc))]
    internal static unsafe class Marshaller
    {
        public ref struct ToLibc
        {
            byte* _bytes;
            bool _allocated;

            // most paths have fewer bytes
            public static int BufferSize => 256;

            /// <param name="path">The text.</param>
            /// <param name="buffer">On the caller's stack.</param>
            public void FromManaged(string path, Span<byte> buffer)
            {
                _bytes = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(buffer));
                if (Utf8.FromUtf16(path, buffer[..^1], out _, out int written, replaceInvalidSequences: false) == OperationStatus.Done)
                {
                    buffer[written] = 0;
                    return;
                }
                byte[] bytes = Encode(path);
                _allocated = bytes.Length >= buffer.Length;
                if (_allocated)
                    _bytes = (byte*)NativeMemory.Alloc((nuint)bytes.Length + 1);
                bytes.CopyTo(new Span<byte>(_bytes, bytes.Length));
                _bytes[bytes.Length] = 0;
            }

            public readonly byte* ToUnmanaged() => _bytes;

            public readonly void Free()
            {
                if (_allocated)
                    NativeMemory.Free(_bytes);
            }
        }
    }
}
