using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using System.Xml;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>Walks through one of the service's small documents, element by element.</summary>
sealed class AzureXml : IDisposable
{
    static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        // a key may hold what XML forbids; the service sends it all the same
        CheckCharacters = false,
        MaxCharactersInDocument = 64 << 20,
    };

    readonly XmlReader _reader;

    /// <exception cref="XmlException">It is not UTF-8.</exception>
    public AzureXml(ReadOnlyMemory<byte> text)
    {
        // what a document says of its encoding is passed over: the services send UTF-8, and .NET's reader breaks on some changes of encoding
        if (!Utf8.IsValid(text.Span))
            throw new XmlException("it is not UTF-8");
        var stream = MemoryMarshal.TryGetArray(text, out var array)
            ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false)
            : new MemoryStream(text.ToArray(), writable: false);
        _reader = XmlReader.Create(new StreamReader(stream, Encoding.UTF8), Settings);
    }

    /// <summary>The name of the document's root element.</summary>
    public string Root()
    {
        _reader.MoveToContent();
        return _reader.LocalName;
    }

    /// <summary>The next element's name with how deep it lies (1 below the root), or null at the end.</summary>
    public (string Name, int Depth)? Next()
    {
        while (_reader.Read())
        {
            if (_reader.NodeType == XmlNodeType.Element)
                return (_reader.LocalName, _reader.Depth);
        }
        return null;
    }

    public string? Attribute(string name) => _reader.GetAttribute(name);

    /// <summary>The text within the element that <see cref="Next"/> came to, which holds nothing else.</summary>
    public string Text()
    {
        if (_reader.IsEmptyElement)
            return "";
        string text = "";
        // a text in thousands of pieces is not copied thousands of times
        StringBuilder? pieces = null;
        while (_reader.Read() && _reader.NodeType != XmlNodeType.EndElement)
        {
            // blanks alone are a key too
            if (_reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace or XmlNodeType.Whitespace)
            {
                if (text.Length == 0)
                    text = _reader.Value;
                else
                    (pieces ??= new StringBuilder(text)).Append(_reader.Value);
            }
        }
        return pieces?.ToString() ?? text;
    }

    public void Dispose() => _reader.Dispose();
}
