from .bones import Bone as Bone
from .bones import draw_hand_bones as draw_hand_bones
from .collection import PhantomHands as PhantomHands
from .hand import draw_hand as draw_hand
from .sample_hands import write_hand_samples as write_hand_samples
