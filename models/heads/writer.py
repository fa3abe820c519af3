"""A small decoder that words coded statements, seeing the picture they are about."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.report_grammar import END, Grammar, Walk

MOST_EDGE = 8  # cells of the coarsest map along an edge that are looked at; a larger map is pooled
LAYERS = 2
ATTENTION_HEADS = 4


class Writer(nn.Module):
    """Words of a closed language, one after the other.

    Parameters
    ----------
    channels
        Of the encoder's coarsest map.
    grammar
        Of the card.
    width
        Of all vectors.
    """

    def __init__(self, channels: int, grammar: Grammar, width: int = 128) -> None:
        super().__init__()
        self.grammar = grammar
        self.width = width
        self.picture = nn.Linear(channels, width)
        self.place = nn.Linear(2, width)
        self.statement = nn.Embedding(len(grammar.statements), width)
        self.word = nn.Embedding(grammar.tokens, width)
        self.position = nn.Embedding(grammar.longest, width)
        layer = nn.TransformerDecoderLayer(
            width, ATTENTION_HEADS, 4 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, LAYERS, norm=nn.LayerNorm(width))
        self.out = nn.Linear(width, grammar.tokens)

    def look(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's five maps to what is seen of a picture: (batch, cells, width)."""
        x = maps[4]
        if max(x.shape[-2:]) > MOST_EDGE:
            x = F.adaptive_avg_pool2d(x, (min(MOST_EDGE, x.shape[-2]), min(MOST_EDGE, x.shape[-1])))
        height, width = x.shape[-2:]
        y, at = torch.meshgrid(
            torch.linspace(-1, 1, height, device=x.device), torch.linspace(-1, 1, width, device=x.device), indexing="ij"
        )
        places = self.place(torch.stack([at, y], dim=-1).reshape(1, -1, 2).to(x.dtype))
        cells: Tensor = self.picture(x.flatten(2).transpose(1, 2)) + places
        return cells

    def forward(self, cells: Tensor, said: Tensor, words: Tensor) -> Tensor:
        """How likely each token is after those before it.

        Parameters
        ----------
        cells
            Of `look`.
        said
            (batch, statements), bool: what the text must say.
        words
            (batch, L), tokens of the texts so far, L up to the grammar's `longest`.

        Returns
        -------
        Tensor
            Logits (batch, L, tokens): at each place of the token that stands there, given those before it.
        """
        length = words.shape[1]
        begin = torch.full_like(words[:, :1], self.grammar.begin)
        before = torch.cat([begin, words[:, :-1]], dim=1)
        x = self.word(before) + self.position.weight[:length]
        seen = torch.cat([cells, self.statement.weight[None].expand(len(cells), -1, -1)], dim=1)
        unseen = torch.cat([said.new_zeros(cells.shape[:2]), ~said], dim=1)
        later = torch.ones(length, length, dtype=torch.bool, device=words.device).triu(1)
        out: Tensor = self.out(self.layers(x, seen, tgt_mask=later, memory_key_padding_mask=unseen))
        return out

    def write(self, cells: Tensor, said: Tensor) -> list[int]:
        """The likeliest text token by token, held to sentences that say what must be said.

        Parameters
        ----------
        cells
            (1, cells, width).
        said
            (1, statements), bool.

        Returns
        -------
        list of int
            Tokens with the end.
        """
        walk = Walk(self.grammar, said[0].nonzero()[:, 0].tolist())
        words: list[int] = []
        while not words or words[-1] != END:
            allowed = walk.allowed()
            token = allowed[0]
            if len(allowed) > 1:
                so_far = torch.tensor([[*words, END]], device=said.device)
                likely = self(cells, said, so_far)[0, -1, allowed]
                token = allowed[int(likely.argmax())]
            walk.take(token)
            words.append(token)
        return words
