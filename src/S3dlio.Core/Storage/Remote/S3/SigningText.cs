using System.Security.Cryptography;
using System.Text;

namespace S3dlio.Storage.Remote.S3;

/// <summary>The texts that a signature is made of, as bytes in memory that a thread uses again and again.</summary>
#pragma warning disable CA1001 // a thread's own, for as long as it lives
sealed class SigningText
#pragma warning restore CA1001
{
    readonly List<KeyValuePair<string, string>> _signed = [];
    byte[] _bytes = new byte[2048];
    int _length;
    byte[]? _key;
    IncrementalHash? _mac;

    /// <summary>Picks the headers that are signed, in order: the host, Content-Type, Content-MD5 and all <c>x-amz-*</c>.</summary>
    public void Collect(List<KeyValuePair<string, string>> headers, string host)
    {
        _signed.Clear();
        _signed.Add(new("host", host));
        foreach (var (name, value) in headers)
        {
            string lower = name.ToLowerInvariant();
            if (!lower.StartsWith("x-amz-", StringComparison.Ordinal) && lower is not ("content-type" or "content-md5"))
                continue;
            // a handful of them, nearly in order: nothing sorts faster
            int at = _signed.Count;
            while (at > 0 && string.CompareOrdinal(_signed[at - 1].Key, lower) > 0)
                at--;
            _signed.Insert(at, new(lower, Collapse(value)));
        }
    }

    public SigningText Begin()
    {
        _length = 0;
        return this;
    }

    public SigningText Add(ReadOnlySpan<char> text)
    {
        Reserve(Encoding.UTF8.GetMaxByteCount(text.Length));
        _length += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(_length));
        return this;
    }

    public SigningText Add(char ascii)
    {
        Reserve(1);
        _bytes[_length++] = (byte)ascii;
        return this;
    }

    public void AddHex(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length * 2);
        Span<char> digits = stackalloc char[64];
        Convert.TryToHexStringLower(bytes, digits, out int count);
        _length += Encoding.ASCII.GetBytes(digits[..count], _bytes.AsSpan(_length));
    }

    /// <summary>The names of the signed headers, with semicolons.</summary>
    public void AddNames()
    {
        for (int i = 0; i < _signed.Count; i++)
        {
            if (i > 0)
                Add(';');
            Add(_signed[i].Key);
        }
    }

    /// <summary>SHA-256 of the canonical request.</summary>
    public void HashRequest(string method, string path, string query, string payloadHash, Span<byte> hash)
    {
        Begin().Add(method).Add('\n').Add(path).Add('\n').Add(query).Add('\n');
        foreach (var (name, value) in _signed)
            Add(name).Add(':').Add(value).Add('\n');
        Add('\n');
        AddNames();
        Add('\n').Add(payloadHash);
        SHA256.HashData(_bytes.AsSpan(0, _length), hash);
    }

    /// <summary>HMAC-SHA256 of the text so far; the key's own two blocks are hashed once for each key, not for each request.</summary>
    public void Authenticate(byte[] key, Span<byte> mac)
    {
        if (!ReferenceEquals(_key, key))
        {
            _mac?.Dispose();
            _mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
            _key = key;
        }
        _mac!.AppendData(_bytes.AsSpan(0, _length));
        _mac.GetHashAndReset(mac);
    }

    public override string ToString() => Encoding.UTF8.GetString(_bytes, 0, _length);

    /// <summary>Blanks at the ends go, runs of them become one.</summary>
    static string Collapse(string value)
    {
        value = value.Trim(' ');
        while (value.Contains("  ", StringComparison.Ordinal))
            value = value.Replace("  ", " ", StringComparison.Ordinal);
        return value;
    }

    void Reserve(int count)
    {
        if (_bytes.Length - _length < count)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
    }
}
