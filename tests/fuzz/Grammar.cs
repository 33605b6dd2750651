using System.Text;

namespace S3dlio.Fuzz;

/// <summary>
/// Rules by name, each with its alternatives; <c>«name»</c> in one stands for another rule. Of each recursive rule the first alternative
/// ends the recursion. Known without a rule are <c>«number»</c> and <c>«text»</c>.
/// </summary>
public sealed class Grammar(string start, IReadOnlyDictionary<string, string[]> rules)
{
    public IReadOnlyDictionary<string, string[]> Rules => rules;

    const int MostDeep = 24, MostLong = 32 << 10;

    public byte[] Generate(Chance chance)
    {
        var text = new StringBuilder();
        Expand(start, chance, text, 0);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    void Expand(string rule, Chance chance, StringBuilder text, int depth)
    {
        if (rule is "number" or "text")
        {
            text.Append(rule == "number" ? chance.Number() : chance.Text());
            return;
        }
        var alternatives = rules[rule];
        string chosen = depth > MostDeep || text.Length > MostLong ? alternatives[0] : chance.Of(alternatives);
        for (int at = 0; at < chosen.Length;)
        {
            int begin = chosen.IndexOf('«', at);
            if (begin < 0)
                begin = chosen.Length;
            text.Append(chosen, at, begin - at);
            if (begin == chosen.Length)
                return;
            int end = chosen.IndexOf('»', begin);
            Expand(chosen[(begin + 1)..end], chance, text, depth + 1);
            at = end + 1;
        }
    }
}
