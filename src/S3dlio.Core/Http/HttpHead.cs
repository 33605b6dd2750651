using System.Text;

namespace S3dlio.Http;

/// <summary>
/// An answer's status and headers, in the bytes that they came in; strings are made on request only. What RFC 9112 leaves to
/// the recipient's mercy (lone CR or LF, folded lines, blanks before a colon, two lengths) is refused: every reading of it that differs
/// from that of a proxy on the way is a way to smuggle.
/// </summary>
sealed class HttpHead
{
    /// <summary>Bytes of all heads of one answer together, interim ones included.</summary>
    public const int Limit = 64 << 10;

    readonly byte[] _bytes;
    Entry[] _entries = new Entry[16];

    HttpHead(byte[] bytes, int status) => (_bytes, Status) = (bytes, status);

    public int Status { get; }

    /// <summary>Bytes that it took.</summary>
    public int Size => _bytes.Length;

    /// <summary>How many headers there are.</summary>
    public int Count { get; private set; }

    /// <summary>Content-Length; null where there is none.</summary>
    public long? Length { get; private set; }

    public bool IsChunked { get; private set; }

    /// <summary>The connection is good for another request, once the body is read.</summary>
    public bool KeepsAlive { get; private set; } = true;

    /// <summary>100 to 199: another head follows.</summary>
    public bool IsInterim => Status < 200;

    public ReadOnlySpan<byte> Name(int i) => _bytes.AsSpan(_entries[i].Name, _entries[i].NameLength);

    public ReadOnlySpan<byte> Value(int i) => _bytes.AsSpan(_entries[i].Value, _entries[i].ValueLength);

    /// <summary>The first header of that name at or behind <paramref name="from"/>; -1 where there is none.</summary>
    public int Find(ReadOnlySpan<char> name, int from = 0)
    {
        for (int i = from; i < Count; i++)
        {
            if (_entries[i].NameLength == name.Length && Ascii.EqualsIgnoreCase(Name(i), name))
                return i;
        }
        return -1;
    }

    /// <summary>A header's value; several of one name are joined with commas. Null when it is not there.</summary>
    public string? Text(ReadOnlySpan<char> name)
    {
        int at = Find(name);
        if (at < 0)
            return null;
        string text = Encoding.Latin1.GetString(Value(at));
        if ((at = Find(name, at + 1)) < 0)
            return text;
        // in one go: of thousands of one name a new text for each would be hundreds of megabytes
        var all = new StringBuilder(text);
        for (; at >= 0; at = Find(name, at + 1))
            all.Append(", ").Append(Encoding.Latin1.GetString(Value(at)));
        return all.ToString();
    }

    /// <param name="block">All lines with their ends, the empty last one included.</param>
    /// <exception cref="HttpRequestException">InvalidResponse.</exception>
    public static HttpHead Parse(ReadOnlySpan<byte> block)
    {
        byte[] bytes = block.ToArray();
        var rest = bytes.AsSpan(0, bytes.Length - 2);
        int end = Line(rest, 0);
        var head = new HttpHead(bytes, ReadStatus(bytes.AsSpan(0, end), out bool isOld)) { KeepsAlive = !isOld };
        for (int at = end + 2; at < rest.Length; at = end + 2)
        {
            end = Line(rest, at);
            head.Add(at, end);
        }
        if (head.IsChunked && head.Length is not null)
            throw Bad("it has Transfer-Encoding and Content-Length");
        // RFC 9112, 6.1: whoever passed it on may have read it to the connection's end
        if (head.IsChunked && isOld)
            throw Bad("it is of HTTP/1.0, which knows no Transfer-Encoding, and has one");
        return head;
    }

    /// <summary>
    /// Refuses what cannot become a head, before all of it has come: who speaks another protocol may wait for us meanwhile.
    /// </summary>
    /// <exception cref="HttpRequestException">InvalidResponse.</exception>
    public static void CheckBeginning(ReadOnlySpan<byte> begun)
    {
        var start = "HTTP/1."u8;
        if (!begun[..Math.Min(begun.Length, start.Length)].SequenceEqual(start[..Math.Min(begun.Length, start.Length)]))
            throw Bad("its first line is no status line of HTTP/1.1");
        if (begun.IndexOf((byte)'\n') is var line && (line == 0 || (line > 0 && begun[line - 1] != '\r')))
            throw Bad("a line of the head does not end in CR LF, or holds a character that no line may");
    }

    public static HttpRequestException Bad(string what) => new(HttpRequestError.InvalidResponse, what);

    static int Line(ReadOnlySpan<byte> bytes, int at)
    {
        int length = bytes[at..].IndexOfAny((byte)'\r', (byte)'\n', (byte)0);
        if (length < 0 || bytes[at + length] != '\r' || at + length + 1 == bytes.Length || bytes[at + length + 1] != '\n')
            throw Bad("a line of the head does not end in CR LF, or holds a character that no line may");
        return at + length;
    }

    /// <summary><c>HTTP/1.1 200 OK</c>.</summary>
    static int ReadStatus(ReadOnlySpan<byte> line, out bool isOld)
    {
        isOld = false;
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' '
            || (line.Length > 12 && line[12] != ' '))
            throw Bad("its first line is no status line of HTTP/1.1");
        isOld = line[7] == '0';
        int status = 0;
        foreach (byte digit in line[9..12])
            status = digit is >= (byte)'0' and <= (byte)'9' ? (status * 10) + digit - '0' : -1000;
        // no request offers another protocol
        return status is < 100 or 101 ? throw Bad("its status is no number of three digits that was asked for") : status;
    }

    void Add(int at, int end)
    {
        var line = _bytes.AsSpan(at, end - at);
        int colon = line.IndexOf((byte)':');
        if (colon <= 0 || line[..colon].IndexOfAnyExcept(HttpText.TokenBytes) >= 0)
            throw Bad("a header has no name, or one with characters that names may not have");
        int value = colon + 1;
        while (value < line.Length && line[value] is (byte)' ' or (byte)'\t')
            value++;
        int last = line.Length;
        while (last > value && line[last - 1] is (byte)' ' or (byte)'\t')
            last--;
        if (Count == _entries.Length)
            Array.Resize(ref _entries, Count * 2);
        _entries[Count] = new Entry(at, colon, at + value, last - value);
        Frame(Count++);
    }

    /// <summary>Takes note of what says where the body ends.</summary>
    void Frame(int i)
    {
        var name = Name(i);
        if (name.Length == 14 && Ascii.EqualsIgnoreCase(name, "Content-Length"u8))
        {
            long length = HttpText.Digits(Value(i));
            if (length < 0 || (Length is long before && before != length))
                throw Bad("its Content-Length is no number, or there are two");
            Length = length;
        }
        else if (name.Length == 17 && Ascii.EqualsIgnoreCase(name, "Transfer-Encoding"u8))
        {
            if (IsChunked || !Ascii.EqualsIgnoreCase(Value(i), "chunked"u8))
                throw Bad("it has a Transfer-Encoding other than chunked");
            IsChunked = true;
        }
        else if (name.Length == 10 && Ascii.EqualsIgnoreCase(name, "Connection"u8))
        {
            if (HttpText.HasWord(Value(i), "close"u8))
                KeepsAlive = false;
        }
    }

    readonly struct Entry(int name, int nameLength, int value, int valueLength)
    {
        public readonly int Name = name, NameLength = nameLength, Value = value, ValueLength = valueLength;
    }
}
