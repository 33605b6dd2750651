using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using System.Xml;

namespace S3dlio.Storage.Remote;

/// <summary>
/// A service's XML answer, read forward only: elements by their local names, whatever their namespace. Document types are refused.
/// </summary>
sealed class ServiceXml : IDisposable
{
    static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        // keys may hold characters that XML 1.0 forbids; servers send them as references
        CheckCharacters = false,
        MaxCharactersInDocument = 64 << 20,
    };

    readonly XmlReader _reader;

    /// <summary>The reader is at an element that was not returned yet.</summary>
    bool _pending;

    /// <exception cref="XmlException">It is not UTF-8.</exception>
    ServiceXml(ReadOnlyMemory<byte> text)
    {
        // the encoding that a document names is ignored: the services send UTF-8, and .NET's reader fails on some changes of encoding
        if (!Utf8.IsValid(text.Span))
            throw new XmlException("it is not UTF-8");
        var stream = MemoryMarshal.TryGetArray(text, out var array)
            ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
            : new MemoryStream(text.ToArray(), writable: false);
        _reader = XmlReader.Create(new StreamReader(stream, Encoding.UTF8), Settings);
        Root = Next() ?? "";
    }

    /// <summary>The name of the outermost element; empty for an empty document.</summary>
    public string Root { get; }

    /// <summary>Depth of the element just found: 0 for the root, 1 for its children.</summary>
    public int Depth => _reader.Depth;

    /// <summary>Reads a document of the service's; anything else becomes an error that names the object.</summary>
    /// <param name="text">The answer.</param>
    /// <param name="subject">The object, for messages.</param>
    /// <param name="service">What the server should be, with its article: an S3 service.</param>
    /// <param name="read">Takes what it wants.</param>
    /// <exception cref="StoreException">InvalidData.</exception>
    public static T Read<T>(ReadOnlyMemory<byte> text, string subject, string service, Func<ServiceXml, T> read)
    {
        try
        {
            using var xml = new ServiceXml(text);
            return read(xml);
        }
        catch (XmlException error)
        {
            throw StoreException.InvalidData(subject,
                $"the answer is not the XML of {service}: {error.Message}; check endpoint_url", cause: error);
        }
    }

    /// <summary>
    /// Reads a document that may be missing, or another program's, such as a proxy's error page; returns <paramref name="otherwise"/> then.
    /// </summary>
    public static T TryRead<T>(ReadOnlyMemory<byte> text, T otherwise, Func<ServiceXml, T> read)
    {
        if (text.Span.IndexOf((byte)'<') < 0)
            return otherwise;
        try
        {
            using var xml = new ServiceXml(text);
            return read(xml);
        }
        catch (XmlException)
        {
            return otherwise;
        }
    }

    /// <summary>The next element's name at any depth, or null at the document's end.</summary>
    public string? Next()
    {
        while (_pending || _reader.Read())
        {
            _pending = false;
            if (_reader.NodeType == XmlNodeType.Element)
                return _reader.LocalName;
        }
        return null;
    }

    /// <summary>The elements within the one just found, at any depth.</summary>
    public IEnumerable<string> Within()
    {
        int depth = _reader.Depth;
        if (_reader.IsEmptyElement)
            yield break;
        while (_pending || _reader.Read())
        {
            _pending = false;
            if (_reader.NodeType == XmlNodeType.Element && _reader.Depth > depth)
                yield return _reader.LocalName;
            if (_reader.NodeType == XmlNodeType.EndElement && _reader.Depth <= depth)
                yield break;
        }
    }

    /// <summary>The texts of the elements within the one just found, by name; of several of one name the last.</summary>
    public Dictionary<string, string> Fields()
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in Within())
            fields[name] = Text();
        return fields;
    }

    /// <summary>The same of the whole document.</summary>
    public Dictionary<string, string> AllFields()
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        while (Next() is { } name)
            fields[name] = Text();
        return fields;
    }

    public string? Attribute(string name) => _reader.GetAttribute(name);

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
                    // not a leaf: the caller takes the element inside from here
                    _pending = true;
                    return pieces?.ToString() ?? text;
            }
        }
        return pieces?.ToString() ?? text;
    }

    public static DateTimeOffset? Time(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    public void Dispose() => _reader.Dispose();
}
