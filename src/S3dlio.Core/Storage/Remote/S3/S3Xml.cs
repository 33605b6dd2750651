using System.Runtime.InteropServices;
using System.Security;
using System.Text;
using System.Text.Unicode;
using System.Xml;

namespace S3dlio.Storage.Remote.S3;

/// <summary>S3's answers, read forward only: elements by their local names, whatever their namespace. Document types are refused.</summary>
sealed class S3Xml : IDisposable
{
    static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        // keys may hold characters that XML 1.0 has no place for; servers send them as references
        CheckCharacters = false,
        MaxCharactersInDocument = 64 << 20,
    };

    readonly XmlReader _reader;

    /// <exception cref="XmlException">It is not UTF-8.</exception>
    public S3Xml(ReadOnlyMemory<byte> text)
    {
        // what a document says of its encoding is passed over: the services send UTF-8, and .NET's reader breaks on some changes of encoding
        if (!Utf8.IsValid(text.Span))
            throw new XmlException("it is not UTF-8");
        var stream = MemoryMarshal.TryGetArray(text, out var array)
            ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
            : new MemoryStream(text.ToArray(), writable: false);
        _reader = XmlReader.Create(new StreamReader(stream, Encoding.UTF8), Settings);
    }

    /// <summary>Reads a document whose like S3 sends; anything else is an error that names the object or store and not an exception of XML's.</summary>
    /// <exception cref="StoreException">InvalidData.</exception>
    public static T Read<T>(ReadOnlyMemory<byte> text, string subject, Func<S3Xml, T> read)
    {
        try
        {
            using var xml = new S3Xml(text);
            return read(xml);
        }
        catch (XmlException error)
        {
            throw new StoreException(ErrorKind.InvalidData, subject, $"the answer is not the XML that S3 sends: {error.Message}; check endpoint_url: is it an S3 service?", cause: error);
        }
    }

    /// <summary>The name of the outermost element; empty for an empty document.</summary>
    public string Root()
    {
        while (_reader.Read())
        {
            if (_reader.NodeType == XmlNodeType.Element)
                return _reader.LocalName;
        }
        return "";
    }

    /// <summary>The next element's name at any depth, or null at the document's end.</summary>
    public string? Next()
    {
        while (_stay || _reader.Read())
        {
            _stay = false;
            if (_reader.NodeType == XmlNodeType.Element)
                return _reader.LocalName;
        }
        return null;
    }

    /// <summary>The next child of an element at <paramref name="depth"/>; null when that element ends.</summary>
    public string? NextWithin(int depth)
    {
        while (_stay || _reader.Read())
        {
            _stay = false;
            if (_reader.NodeType == XmlNodeType.Element && _reader.Depth > depth)
                return _reader.LocalName;
            if (_reader.NodeType == XmlNodeType.EndElement && _reader.Depth <= depth)
                return null;
        }
        return null;
    }

    /// <summary>Depth of the element just found.</summary>
    public int Depth => _reader.Depth;

    /// <summary>True for <c>&lt;Element/&gt;</c>, which has no end of its own.</summary>
    public bool IsEmpty => _reader.IsEmptyElement;

    bool _stay;

    /// <summary>The text of the element just found; the reader then stands at what follows it.</summary>
    public string Text()
    {
        if (_reader.IsEmptyElement)
            return "";
        int depth = _reader.Depth;
        string text = "";
        // a text in thousands of pieces is not copied thousands of times
        StringBuilder? pieces = null;
        while (_reader.Read())
        {
            switch (_reader.NodeType)
            {
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                    if (text.Length == 0)
                        text = _reader.Value;
                    else
                        (pieces ??= new StringBuilder(text)).Append(_reader.Value);
                    break;
                case XmlNodeType.EndElement when _reader.Depth == depth:
                    return pieces?.ToString() ?? text;
                case XmlNodeType.Element:
                    // not a leaf; whoever asked takes it from here
                    _stay = true;
                    return pieces?.ToString() ?? text;
            }
        }
        return pieces?.ToString() ?? text;
    }

    public void Dispose() => _reader.Dispose();

    /// <summary>Text as an element's content.</summary>
    public static string Escape(string text)
    {
        string escaped = SecurityElement.Escape(text);
        return escaped.Contains('\r', StringComparison.Ordinal) ? escaped.Replace("\r", "&#13;", StringComparison.Ordinal) : escaped;
    }

    /// <summary>True when XML 1.0 can carry the text.</summary>
    public static bool CanHold(string text)
    {
        foreach (char c in text)
        {
            if ((c < ' ' && c is not ('\t' or '\n' or '\r')) || c is '\uFFFE' or '\uFFFF')
                return false;
        }
        return true;
    }

    public static byte[] Bytes(StringBuilder text) => Encoding.UTF8.GetBytes(text.ToString());
}
