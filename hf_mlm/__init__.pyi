"""The public names of the package, as type checkers see them; `hf_mlm.registry` is where they come from."""

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo as DataCollatorForRetrievalAndGeo
from hf_mlm.data.mmnerd.collator import (
    DataCollatorForMultimodalTokenClassification as DataCollatorForMultimodalTokenClassification,
)
from hf_mlm.models.base.processing import TaggerProcessor as TaggerProcessor
from hf_mlm.models.base.regions import RegionProcessor as RegionProcessor
from hf_mlm.models.crf_tagger.configuration_crf_tagger import CRFTaggerConfig as CRFTaggerConfig
from hf_mlm.models.crf_tagger.modeling_crf_tagger import (
    CRFTaggerForTokenClassification as CRFTaggerForTokenClassification,
)
from hf_mlm.models.crf_tagger.modeling_crf_tagger import CRFTaggerOutput as CRFTaggerOutput
from hf_mlm.models.irle.configuration_irle import IRLEConfig as IRLEConfig
from hf_mlm.models.irle.modeling_irle import IRLEForRetrievalAndGeo as IRLEForRetrievalAndGeo
from hf_mlm.models.irle.modeling_irle import IRLEOutput as IRLEOutput
from hf_mlm.models.irle.processing_irle import IRLEProcessor as IRLEProcessor
from hf_mlm.models.mkgformer.configuration_mkgformer import MKGFormerConfig as MKGFormerConfig
from hf_mlm.models.mkgformer.modeling_mkgformer import (
    MKGFormerForTokenClassification as MKGFormerForTokenClassification,
)
from hf_mlm.models.two_mner.configuration_two_mner import TwoMNERConfig as TwoMNERConfig
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification as TwoMNERForTokenClassification
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNEROutput as TwoMNEROutput
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor as TwoMNERProcessor
from hf_mlm.models.umgf.configuration_umgf import UMGFConfig as UMGFConfig
from hf_mlm.models.umgf.modeling_umgf import UMGFForTokenClassification as UMGFForTokenClassification
from hf_mlm.models.umt.configuration_umt import UMTConfig as UMTConfig
from hf_mlm.models.umt.modeling_umt import UMTForTokenClassification as UMTForTokenClassification
from hf_mlm.models.umt.modeling_umt import UMTOutput as UMTOutput
from hf_mlm.models.umt.processing_umt import UMTProcessor as UMTProcessor
from hf_mlm.models.word_level.adacan import AdaCANForTokenClassification as AdaCANForTokenClassification
from hf_mlm.models.word_level.configuration import AdaCANConfig as AdaCANConfig
from hf_mlm.models.word_level.configuration import BiLSTMCRFConfig as BiLSTMCRFConfig
from hf_mlm.models.word_level.configuration import HBiLSTMCRFConfig as HBiLSTMCRFConfig
from hf_mlm.models.word_level.modeling import BiLSTMCRFForTokenClassification as BiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.modeling import HBiLSTMCRFForTokenClassification as HBiLSTMCRFForTokenClassification
from hf_mlm.models.word_level.processing import AdaCANProcessor as AdaCANProcessor
from hf_mlm.models.word_level.processing import WordLevelProcessor as WordLevelProcessor
from hf_mlm.registration import register as register
from hf_mlm.runs.gallery import Gallery as Gallery
from hf_mlm.training.irle.arguments import IRLETrainingArguments as IRLETrainingArguments
from hf_mlm.training.irle.metrics import RetrievalAndGeoMetrics as RetrievalAndGeoMetrics
from hf_mlm.training.irle.trainer import IRLETrainer as IRLETrainer

__version__: str
